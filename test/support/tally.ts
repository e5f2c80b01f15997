import { writeSync } from "node:fs";

/**
 * What a worker tells the runner about each finished test: one JSON object a line, on file
 * descriptor 3, so that nothing a test prints can be taken for it and a crash loses nothing. The
 * first line says that the worker has begun, the last that it came to its end; a process that stops
 * without it has failed, whatever its exit code.
 */
export const TALLY_FD = 3;

export interface TallyLine {
  readonly outcome: "begin" | "passed" | "failed" | "skipped" | "end";
  /** The test's name after the names of what it stands in. */
  readonly name: string;
  readonly durationMs: number;
  /** Why it was skipped. */
  readonly reason?: string;
}

export interface Tally {
  passed: number;
  /** What failed, by name. */
  readonly failed: string[];
  readonly skipped: TallyLine[];
  readonly slowest: TallyLine[];
}

export function emptyTally(): Tally {
  return { passed: 0, failed: [], skipped: [], slowest: [] };
}

const SLOWEST_SHOWN = 5;

/** Line breaks to a reader of lines, but not to JSON: a test's name may hold any. */
const SEPARATORS = /[\u2028\u2029]/g;

/** From a worker to its runner. */
export function tell(line: TallyLine): void {
  const json = JSON.stringify(line).replaceAll(SEPARATORS, "?");
  writeSync(TALLY_FD, `${json}\n`);
}

export function addToTally(tally: Tally, line: TallyLine): void {
  if (line.outcome === "begin" || line.outcome === "end") return;
  if (line.outcome === "passed") tally.passed++;
  else if (line.outcome === "failed") tally.failed.push(line.name);
  else tally.skipped.push(line);
  tally.slowest.push(line);
  tally.slowest.sort((a, b) => b.durationMs - a.durationMs);
  tally.slowest.length = Math.min(tally.slowest.length, SLOWEST_SHOWN);
}
