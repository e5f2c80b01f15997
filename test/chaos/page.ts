import type { Outcome } from "./outcome.ts";
import { clock, drawTimeline, escapeText, serverColour } from "./picture.ts";

const STYLE = `
  :root { color-scheme: light dark; --ink: #161616; --dim: #6f6f6f; --line: #e0e0e0; --back: #fff; }
  @media (prefers-color-scheme: dark) {
    :root { --ink: #f4f4f4; --dim: #a8a8a8; --line: #393939; --back: #161616; }
  }
  body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--back);
    max-width: 1240px; margin: 2rem auto; padding: 0 1rem; }
  h1 { font-size: 1.5rem; margin: 0 0 .2rem; } h2 { font-size: 1.05rem; margin: 1.8rem 0 .4rem; }
  p { margin: .2rem 0; } .dim { color: var(--dim); }
  code { font: 13px ui-monospace, monospace; }
  .good { color: #198038; } .bad { color: #da1e28; }
  svg { width: 100%; height: auto; display: block; }
  svg text { font: 11px system-ui, sans-serif; fill: var(--ink); }
  svg .label { font-weight: 600; font-size: 12px; }
  svg .tick { text-anchor: end; } svg .unit, svg .tick { fill: var(--dim); font-size: 10px; }
  svg .time { text-anchor: middle; fill: var(--dim); } svg .name { font-size: 10px; fill: var(--dim); }
  svg .in { fill: #fff; font-size: 11px; } svg .grid { stroke: var(--line); stroke-width: 1; }
  svg .ack { fill: #24a148; } svg .unknown { fill: #da1e28; }
  svg .p50, svg .p99 { fill: none; stroke-width: 1.4; stroke: #0f62fe; stroke-linecap: round; }
  svg .p99 { stroke: #ff832b; }
  .tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: .5rem; }
  .tile { border: 1px solid var(--line); border-radius: 6px; padding: .5rem .7rem; }
  .tile b { display: block; font-size: 1.25rem; font-variant-numeric: tabular-nums; }
  .tile span { color: var(--dim); font-size: 12px; }
  .key span { margin-right: 1.2em; white-space: nowrap; font-size: 13px; }
  .key i { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .4em; }
  table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
  td, th { text-align: left; padding: .15rem 1rem .15rem 0; border-bottom: 1px solid var(--line); }
`;

/** The report for people: one file, which loads nothing and runs nothing. */
export function drawPage(outcome: Outcome): string {
  const { seed, minutes, replicas, bug, command, wires, violations } = outcome;
  const isGood = violations.length === 0;
  const verdict = isGood ? "No promise was broken" : `${violations.length} violations`;
  const planted = bug === undefined ? "" : `, with the planted bug ${escapeText(bug)}`;
  const network = wires === "namespaces" ? "network namespaces" : "loopback behind proxies";
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>proglog chaos: seed ${seed}, ${verdict}</title>
<style>${STYLE}</style>
<h1>Chaos: <span class="${isGood ? "good" : "bad"}">${verdict}</span></h1>
<p>${replicas} servers in ${network}, ${minutes} minutes, seed ${seed}${planted}.</p>
<p class="dim">Again: <code>${escapeText(command)}</code></p>
${drawViolations(outcome)}
<h2>What happened</h2>
<p class="key">${drawKey(outcome)}</p>
${drawTimeline(outcome)}
<h2>Figures</h2>
<div class="tiles">${drawTiles(outcome)}</div>
<h2>Faults</h2>
${drawFaults(outcome)}
</html>
`;
}

function drawViolations({ violations }: Outcome): string {
  if (violations.length === 0) return "";
  const rows = violations
    .slice(0, 50)
    .map(({ rule, message }) => `<tr><td>${rule}</td><td>${escapeText(message)}</td></tr>`);
  return `<h2 class="bad">Violations</h2><table>${rows.join("")}</table>`;
}

function drawKey({ leaderships }: Outcome): string {
  const swatch = (colour: string, text: string): string =>
    `<span><i style="background:${colour}"></i>${escapeText(text)}</span>`;
  const servers = [...new Set(leaderships.map(({ leader }) => leader))].toSorted();
  return [
    swatch("#24a148", "acknowledged a second"),
    swatch("#da1e28", "unknown outcome a second"),
    swatch("#0f62fe", "latency p50"),
    swatch("#ff832b", "latency p99"),
    ...servers.map((name) => swatch(serverColour(name), `${name} leads`)),
  ].join("");
}

function drawTiles({ figures }: Outcome): string {
  const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
  const tiles: readonly (readonly [string | number, string])[] = [
    [figures.acknowledged, "appends acknowledged"],
    [figures.acknowledgedIdempotent, "of idempotent producers"],
    [figures.acknowledgedPlain, "of plain clients"],
    [figures.acknowledgedConditional, "at an expected offset"],
    [figures.refused, "refused, not in the log"],
    [figures.unknown, "with unknown outcome"],
    [figures.reads, "records read"],
    [figures.linearizableReads, "linearizable reads"],
    [figures.leaderChanges, "changes of the leader"],
    [figures.faults, `faults of ${figures.faultKinds} kinds`],
    [seconds(figures.longestGapMs), "longest time without an acknowledgement"],
    [seconds(figures.healedMs), "until all were whole after the storm"],
    [`${figures.p50Ms} ms`, "latency p50"],
    [`${figures.p99Ms} ms`, "latency p99"],
  ];
  return tiles
    .map(([value, text]) => {
      const shown = typeof value === "number" ? value.toLocaleString("en") : value;
      return `<div class="tile"><b>${shown}</b><span>${text}</span></div>`;
    })
    .join("");
}

function drawFaults({ events, missing }: Outcome): string {
  const rows = events
    .toSorted((a, b) => a.beganMs - b.beganMs)
    .map(({ kind, lane, target, beganMs, endedMs }) => {
      const words = [clock(beganMs), clock(endedMs ?? beganMs), lane, kind, target];
      return `<tr>${words.map((word) => `<td>${escapeText(word)}</td>`).join("")}</tr>`;
    });
  const lacking = Object.entries(missing).map(
    ([kind, what]) =>
      `<p class="bad">${escapeText(kind)} was not possible: ${escapeText(what)} is missing.</p>`,
  );
  const head = "<tr><th>from</th><th>to</th><th>lane</th><th>kind</th><th>whom</th></tr>";
  return `${lacking.join("")}<table>${head}${rows.join("")}</table>`;
}
