import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";

// An unknown flag is no error at run time, only a server that is slow again.
test("this version of Node knows the flag by which the heap is let grow", () => {
  const options = execFileSync(process.execPath, ["--v8-options"], { encoding: "utf8" });
  assert.match(options, /^ {2}--heap-growing-percent /m);
});
