import assert from "node:assert/strict";
import { test } from "node:test";
import { Ports } from "./system/support/ports.ts";

/** More than one block has. */
const MANY = 120;

test("who looks for ports where somebody else does gets none of his, used or not", async () => {
  const [ours, theirs] = [new Ports(process.pid), new Ports(process.pid)];
  const given: number[] = [];
  for (let count = 0; count < MANY; count++) given.push(await ours.next(), await theirs.next());
  assert.equal(new Set(given).size, given.length);
});
