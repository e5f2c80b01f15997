import { relative } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

import { tell } from "./tally.ts";

tell({ outcome: "begin", name: "", durationMs: 0 });

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
