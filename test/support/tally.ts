import { writeSync } from "node:fs";

/**
 * What a worker tells the runner: one JSON object a line, on file descriptor 3, so that nothing a test
 * prints can be taken for it and a crash loses nothing. A process that stops without having said that
 * its last file is at its end has failed, whatever its exit code.
 */
export const TALLY_FD = 3;
/** Where the runner answers a worker that is ready: the path of the next file on a line, or the end. */
export const FILES_FD = 4;

/** A test that is over. */
export interface TallyLine {
  readonly outcome: "passed" | "failed" | "skipped";
  /** The test's name after the names of what it stands in. */
  readonly name: string;
  readonly durationMs: number;
  /** Why it was skipped. */
  readonly reason?: string;
  /** What is to be printed: whole lines. */
  readonly report: string;
}

/** `ready`: nothing of the file before is left, and another one may come. */
export type WorkerLine = TallyLine | { readonly outcome: "ready" };

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
export function tell(line: WorkerLine): void {
  const json = JSON.stringify(line).replaceAll(SEPARATORS, "?");
  writeSync(TALLY_FD, `${json}\n`);
}

export function addToTally(tally: Tally, line: TallyLine): void {
  if (line.outcome === "passed") tally.passed++;
  else if (line.outcome === "failed") tally.failed.push(line.name);
  else tally.skipped.push(line);
  tally.slowest.push(line);
  tally.slowest.sort((a, b) => b.durationMs - a.durationMs);
  tally.slowest.length = Math.min(tally.slowest.length, SLOWEST_SHOWN);
}
