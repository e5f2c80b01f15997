import { relative } from "node:path";
import { afterEach, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { pathToFileURL } from "node:url";

import { tell } from "./tally.ts";

tell({ outcome: "begin", name: "", durationMs: 0 });

// Tests over a disk in memory never let the event loop turn, and their reports would all wait.
afterEach(() => setImmediate());

/** Runs the test files named as arguments in this process. A file that does not load is a failure. */
for (const file of process.argv.slice(2)) {
  try {
    await import(pathToFileURL(file).href);
  } catch (error) {
    test(`${relative(process.cwd(), file)} loads`, () => {
      throw error;
    });
  }
}
