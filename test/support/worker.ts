import { read } from "node:fs";
import { relative } from "node:path";
import { afterEach, test } from "node:test";
import { setImmediate, setTimeout as pause } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";

import { MARKS_OF_FILE } from "./reporter.ts";
import { FILES_FD, tell } from "./tally.ts";

const [BEGINNING, END] = MARKS_OF_FILE;
/** How often one looks whether what keeps the process alive is gone. */
const LOOK_MS = 5;
const PATH_BYTES_MAX = 4096;
/** A socket that nobody reads is listed too, and keeps nothing alive; one that does is found at the end. */
const MAY_STAY: ReadonlySet<string> = new Set(["TCPSocketWrap", "TLSWrap", "PipeWrap"]);

/**
 * Runs test files in this process, one after another, as the runner names them. A file that does not load
 * is a failure. Each begins when the tests of the one before are over and nothing of them is open: who
 * leaves something open is found by the runner's patience, as one that hangs.
 */
async function runFiles(): Promise<void> {
  const open = stillOpen();
  for (let path = await nextFile(); path !== ""; path = await nextFile()) {
    await load(path);
    // Tests run in the order they are made in.
    await test(END, () => undefined);
    while (hasMore(stillOpen(), open)) await pause(LOOK_MS);
  }
}

/** Nothing is waited for while tests run, so that Node sees when one waits for what cannot come. */
async function nextFile(): Promise<string> {
  tell({ outcome: "ready" });
  const buffer = Buffer.alloc(PATH_BYTES_MAX);
  const { bytesRead } = await promisify(read)(FILES_FD, { buffer });
  return buffer.toString("utf8", 0, bytesRead).trimEnd();
}

/** No test of the file begins before all of the file has been run. */
async function load(path: string): Promise<void> {
  let begin = (): void => undefined;
  const isLoaded = new Promise<void>((resolve) => (begin = resolve));
  void test(BEGINNING, () => isLoaded);
  try {
    await import(pathToFileURL(path).href);
  } catch (error) {
    void test(`${relative(process.cwd(), path)} loads`, () => {
      throw error;
    });
  }
  begin();
}

/** What keeps this process alive, by kind. */
function stillOpen(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) {
    if (!MAY_STAY.has(kind)) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return counts;
}

function hasMore(now: Map<string, number>, before: Map<string, number>): boolean {
  return [...now].some(([kind, count]) => count > (before.get(kind) ?? 0));
}

// Tests over a disk in memory never let the event loop turn, and their reports would all wait.
afterEach(() => setImmediate());
await runFiles();
