import { LANES } from "./faults/stage.ts";
import type { FaultEvent } from "./faults/stage.ts";
import type { Outcome, SecondRow } from "./outcome.ts";

/** Sizes are of the drawing; the page scales it. */
const WIDTH = 1_200;
const LEFT = 104;
const RIGHT = 12;
const PLOT = WIDTH - LEFT - RIGHT;
const COLUMNS_MAX = 400;
const BAR = 18;
const GAP = 26;

const KIND_COLOURS: Readonly<Record<string, string>> = {
  network: "#c2571a",
  process: "#8a3ffc",
  disk: "#0072c3",
};
const SERVER_COLOURS = ["#198038", "#b28600", "#9f1853", "#005d5d", "#6929c4", "#1192e8"];

interface Scale {
  readonly endMs: number;
  readonly x: (ms: number) => number;
}

/** Seconds taken together, so that a long run has no more columns than can be told apart. */
interface Column extends SecondRow {
  readonly fromMs: number;
  readonly toMs: number;
}

export function escapeText(text: string): string {
  const names: Readonly<Record<string, string>> = { "&": "amp", "<": "lt", ">": "gt", '"': "quot" };
  return text.replace(/[&<>"]/g, (letter) => `&${names[letter] ?? ""};`);
}

/** The run as an SVG: throughput, latency, who led, and what went wrong, above one axis of time. */
export function drawTimeline(outcome: Outcome): string {
  const ends = outcome.events.map(({ beganMs, endedMs }) => endedMs ?? beganMs);
  const lastLeader = outcome.leaderships.at(-1)?.atMs ?? 0;
  const endMs = Math.max(1_000, outcome.seconds.length * 1_000, lastLeader, ...ends);
  const scale: Scale = { endMs, x: (ms) => LEFT + (ms / endMs) * PLOT };
  const columns = columnsOf(outcome.seconds);
  const parts: string[] = [];
  let top = 14;
  const add = (height: number, drawn: string): void => {
    parts.push(`<g transform="translate(0 ${top})">${drawn}</g>`);
    top += height + GAP;
  };
  const plotTop = top;
  add(120, drawThroughput(columns, scale));
  add(110, drawLatency(columns, scale));
  add(BAR, drawLeaders(outcome, scale));
  for (const lane of LANES) {
    const { height, drawn } = drawLane(lane, outcome.events, scale);
    add(height, drawn);
  }
  const axis = drawAxis(scale, plotTop, top - GAP + 6);
  const size = `viewBox="0 0 ${WIDTH} ${top + 8}"`;
  return `<svg ${size} role="img" aria-label="Timeline of the run">${axis}${parts.join("")}</svg>`;
}

export function serverColour(name: string): string {
  const at = Number(/\d+$/.exec(name)?.[0] ?? 0);
  return SERVER_COLOURS[at % SERVER_COLOURS.length] ?? "#555";
}

function columnsOf(seconds: readonly SecondRow[]): Column[] {
  const span = Math.max(1, Math.ceil(seconds.length / COLUMNS_MAX));
  const columns: Column[] = [];
  for (let from = 0; from < seconds.length; from += span) {
    const rows = seconds.slice(from, from + span);
    const mean = (of: (row: SecondRow) => number): number =>
      rows.reduce((sum, row) => sum + of(row), 0) / rows.length;
    columns.push({
      fromMs: from * 1_000,
      toMs: (from + rows.length) * 1_000,
      acknowledged: mean((row) => row.acknowledged),
      refused: mean((row) => row.refused),
      unknown: mean((row) => row.unknown),
      p50Ms: Math.max(...rows.map((row) => row.p50Ms)),
      p99Ms: Math.max(...rows.map((row) => row.p99Ms)),
    });
  }
  return columns;
}

function label(text: string, y: number, small = ""): string {
  const more =
    small === ""
      ? ""
      : `<text class="unit" x="${LEFT - 10}" y="${y + 13}">${escapeText(small)}</text>`;
  return `<text class="label" x="${LEFT - 10}" y="${y}">${escapeText(text)}</text>${more}`;
}

function grid(y: number, text: string): string {
  const line = `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y}" y2="${y}"/>`;
  return `${line}<text class="tick" x="${LEFT - 6}" y="${y + 3}">${text}</text>`;
}

/** A round number that is not below. */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, value)));
  const step = [1, 2, 5, 10].find((each) => each * power >= value) ?? 10;
  return step * power;
}

function drawThroughput(columns: readonly Column[], { x }: Scale): string {
  const height = 120;
  const most = roundUp(Math.max(1, ...columns.map(({ acknowledged }) => acknowledged)));
  const y = (value: number): number => height - (Math.min(value, most) / most) * height;
  const bars = columns.map(({ fromMs, toMs, acknowledged, unknown }) => {
    const [left, width] = [x(fromMs), Math.max(0.5, x(toMs) - x(fromMs) - 0.4)];
    const at = `x="${round(left)}" width="${round(width)}"`;
    const acks = y(acknowledged);
    const lost = y(unknown);
    return (
      `<rect class="ack" ${at} y="${round(acks)}" height="${round(height - acks)}"/>` +
      (unknown === 0
        ? ""
        : `<rect class="unknown" ${at} y="${round(lost)}" height="${round(height - lost)}"/>`)
    );
  });
  const lines = [0, most / 2, most].map((value) => grid(y(value), String(value)));
  return `${lines.join("")}${bars.join("")}${label("Appends", height / 2, "a second")}`;
}

function drawLatency(columns: readonly Column[], { x }: Scale): string {
  const height = 110;
  const [low, high] = [0, 5];
  // From 1 ms to 100 s: what matters are factors.
  const y = (ms: number): number =>
    height - ((Math.log10(Math.max(1, ms)) - low) / (high - low)) * height;
  const line = (name: string, of: (column: Column) => number): string => {
    let path = "";
    let isOpen = false;
    for (const column of columns) {
      const ms = of(column);
      const has = ms > 0;
      const at = `${round((x(column.fromMs) + x(column.toMs)) / 2)} ${round(y(ms))}`;
      if (has) path += `${isOpen ? "L" : "M"}${at}`;
      if (has && !isOpen) path += `l0.1 0`;
      isOpen = has;
    }
    return `<path class="${name}" d="${path}"/>`;
  };
  const words = ["1 ms", "10 ms", "100 ms", "1 s", "10 s", "100 s"];
  const lines = words.map((text, power) => grid(y(10 ** power), text));
  const drawn = line("p99", ({ p99Ms }) => p99Ms) + line("p50", ({ p50Ms }) => p50Ms);
  return `${lines.join("")}${drawn}${label("Latency", height / 2)}`;
}

function drawLeaders({ leaderships }: Outcome, { x, endMs }: Scale): string {
  const bars = leaderships.map(({ atMs, leader, term }, n) => {
    const left = x(atMs);
    const width = Math.max(1.5, x(leaderships[n + 1]?.atMs ?? endMs) - left - 1);
    const text =
      width > 14 ? `<text class="in" x="${left + 4}" y="13">${shortName(leader)}</text>` : "";
    return (
      `<g><title>${escapeText(leader)} leads in term ${term}, from ${clock(atMs)}</title>` +
      `<rect x="${round(left)}" y="0" width="${round(width)}" height="${BAR}" rx="2" ` +
      `fill="${serverColour(leader)}"/>${text}</g>`
    );
  });
  return `${label("Leader", 13)}${bars.join("")}`;
}

/** Faults of a lane follow each other: one row of bars, and their names below each other where they fit. */
function drawLane(
  lane: string,
  events: readonly FaultEvent[],
  { x, endMs }: Scale,
): { readonly height: number; readonly drawn: string } {
  const colour = KIND_COLOURS[lane] ?? "#555";
  const rowEnds: number[] = [];
  const names: string[] = [];
  const bars = events
    .filter((event) => event.lane === lane)
    .map(({ kind, target, beganMs, endedMs }) => {
      const left = x(beganMs);
      const width = Math.max(2, x(endedMs ?? endMs) - left);
      const room = kind.length * 6.2 + 8;
      const row = rowEnds.findIndex((end) => end < left);
      const at = row < 0 ? rowEnds.length : row;
      if (at < NAME_ROWS_MAX && left + room < WIDTH) {
        rowEnds[at] = left + room;
        names.push(
          `<text class="name" x="${round(left)}" y="${BAR + 12 + at * 12}">${kind}</text>`,
        );
      }
      const title = `${kind}: ${target}, ${clock(beganMs)} to ${clock(endedMs ?? endMs)}`;
      return (
        `<g><title>${escapeText(title)}</title><rect x="${round(left)}" y="0" rx="2" ` +
        `width="${round(width)}" height="${BAR}" fill="${colour}" fill-opacity="0.85"/></g>`
      );
    });
  const title = `${lane.slice(0, 1).toUpperCase()}${lane.slice(1)}`;
  const height = BAR + rowEnds.length * 12;
  return { height, drawn: `${label(title, 13)}${bars.join("")}${names.join("")}` };
}

const NAME_ROWS_MAX = 3;

function drawAxis({ x, endMs }: Scale, top: number, bottom: number): string {
  const stepsMs = [5, 10, 15, 30, 60, 120, 300, 600, 1_800, 3_600].map((s) => s * 1_000);
  const stepMs = stepsMs.find((step) => endMs / step <= 14) ?? 7_200_000;
  let drawn = "";
  for (let ms = 0; ms <= endMs; ms += stepMs) {
    const at = round(x(ms));
    drawn += `<line class="grid" x1="${at}" x2="${at}" y1="${top}" y2="${bottom}"/>`;
    drawn += `<text class="time" x="${at}" y="${bottom + 14}">${clock(ms)}</text>`;
  }
  return drawn;
}

/** `3:07` of 187 000. */
export function clock(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

function shortName(name: string): string {
  return escapeText(/\d+$/.exec(name)?.[0] ?? name);
}

function round(value: number): string {
  return String(Math.round(value * 10) / 10);
}
