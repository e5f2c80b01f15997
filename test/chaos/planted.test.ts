/** The mistakes that chaos is tried on still fit the code that they are made in. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BUGS, sourceWith } from "./planted.ts";

test("each planted mistake has its one place in the source", () => {
  for (const bug of BUGS) assert.ok(sourceWith(bug).includes(bug.replace), bug.name);
  for (const name of [
    "answer-before-commit",
    "stale-linearizable-read",
    "producers-lost-on-install",
  ]) {
    assert.ok(
      BUGS.some((bug) => bug.name === name),
      name,
    );
  }
});

test("a mistake whose place is gone is an error", () => {
  const lost = { name: "x", file: "src/log/log.ts", find: "not there", replace: "", why: "" };
  assert.throws(
    () => sourceWith(lost),
    /the text of the planted bug "x" is not once in src\/log\/log\.ts/,
  );
});
