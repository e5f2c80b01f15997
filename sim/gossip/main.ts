/**
 * The deep figures of gossip: what a cluster costs in its size, how fast news travel, and how often the
 * living are taken for dead.
 *
 *     npx tsx sim/gossip/main.ts --members 500 --minutes 10 --seed 1 --json figures.json
 *
 * Exits with 1 when a bound is broken.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";

import { type Cost, measureCost, measureMistakes, measureSpeed, type Mistakes } from "./measure.ts";

/** What is asked for: false failures of a member in an hour. */
const FALSE_FAILURES_MAX = 1;
/** What a member sends by packet in the largest cluster, against one of twenty. */
const GROWTH_MAX = 1.5;

const TROUBLES = {
  "30 % loss": { loss: 0.3, pausesPerMinute: 0, pauseMs: 0 },
  "pauses of 2 s, one a minute": { loss: 0, pausesPerMinute: 1, pauseMs: 2_000 },
  "5 % loss and pauses": { loss: 0.05, pausesPerMinute: 1, pauseMs: 2_000 },
} as const;

function print(cells: readonly (string | number)[]): void {
  const texts = cells.map((cell) => (typeof cell === "number" ? cell.toFixed(1) : cell));
  process.stdout.write(`| ${texts.join(" | ")} |\n`);
}

function head(...titles: readonly string[]): void {
  process.stdout.write("\n");
  print(titles);
  print(titles.map(() => "---"));
}

function costs(sizes: readonly number[], seed: number): Cost[] {
  head("members", "packets/s", "bytes/s", "streams/min", "stream bytes/s");
  return sizes.map((size) => {
    const cost = measureCost(size, 120, seed);
    const { packetsPerSecond, packetBytesPerSecond } = cost;
    const { streamsPerMinute, streamBytesPerSecond } = cost;
    print([
      String(size),
      packetsPerSecond,
      packetBytesPerSecond,
      streamsPerMinute,
      streamBytesPerSecond,
    ]);
    return cost;
  });
}

function speeds(sizes: readonly number[], seed: number): unknown[] {
  head("members", "detected after, s", "failure told in, s", "join told in, s", "leave told in, s");
  return sizes.map((size) => {
    const speed = measureSpeed(size, seed);
    const { detectedMs, failureToldMs, joinToldMs, leaveToldMs } = speed;
    print([
      String(size),
      ...[detectedMs, failureToldMs, joinToldMs, leaveToldMs].map((ms) => ms / 1_000),
    ]);
    return speed;
  });
}

function mistakes(size: number, minutes: number, seed: number): Mistakes[] {
  head("trouble", "members", "member-hours", "suspected", "false failures", "per member-hour");
  return Object.entries(TROUBLES).map(([name, trouble]) => {
    const result = measureMistakes(size, minutes, seed, trouble);
    print([
      name,
      String(size),
      result.memberHours,
      String(result.suspicions),
      String(result.falseFailures),
      result.falseFailuresPerMemberHour.toFixed(2),
    ]);
    return result;
  });
}

const { values } = parseArgs({
  options: {
    members: { type: "string", default: "500" },
    minutes: { type: "string", default: "10" },
    seed: { type: "string", default: "1" },
    json: { type: "string" },
  },
});
const members = Number(values.members);
const seed = Number(values.seed);
const sizes = [5, 20, 100, members].filter(
  (size, at, all) => size <= members && all.indexOf(size) === at,
);
const figures = {
  seed,
  mistakes: mistakes(members, Number(values.minutes), seed),
  costs: costs(sizes, seed),
  speeds: speeds(sizes, seed),
};
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(figures, null, 2)}\n`);

const wrong = figures.mistakes.some((each) => each.falseFailuresPerMemberHour > FALSE_FAILURES_MAX);
const base = figures.costs.find((each) => each.members >= 20)?.packetBytesPerSecond ?? NaN;
const grown = (figures.costs.at(-1)?.packetBytesPerSecond ?? NaN) / base;
process.stdout.write(`\npacket bytes, largest against twenty: ${grown.toFixed(2)}\n`);
if (wrong || !(grown <= GROWTH_MAX)) {
  process.stderr.write("a bound is broken\n");
  process.exitCode = 1;
}
