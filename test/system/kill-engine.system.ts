/** `kill -9` at random moments of a process that appends with `openLog`. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { makeFolder } from "../support/program.ts";
import { killEngines } from "./support/engine-kills.ts";

const RUNS = 2;
const CYCLES = 100;

test(`${RUNS * CYCLES} random kills of the engine: nothing acknowledged is lost`, async (t) => {
  const folder = makeFolder(t);
  const runs = Array.from({ length: RUNS }, (_, i) => killEngines(`${folder}/${i}`, i + 1, CYCLES));
  const acknowledged = await Promise.all(runs);
  const total = acknowledged.reduce((sum, each) => sum + each, 0);
  t.diagnostic(`${RUNS * CYCLES} kills, ${total} records acknowledged, 0 lost`);
  assert.ok(total > RUNS * CYCLES, `${total} records were acknowledged`);
});
