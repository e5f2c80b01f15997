/** `kill -9` at random moments of a process that appends with `openLog`. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { below, seededRandom } from "../../src/base/index.ts";
import { makeFolder } from "../support/program.ts";
import { EngineRun } from "./support/engine-run.ts";

const RUNS = 2;
const CYCLES = 100;

test(`${RUNS * CYCLES} random kills of the engine: nothing acknowledged is lost`, async (t) => {
  const folder = makeFolder(t);
  const runs = Array.from({ length: RUNS }, (_, i) => killAgainAndAgain(`${folder}/${i}`, i + 1));
  const acknowledged = await Promise.all(runs);
  const total = acknowledged.reduce((sum, each) => sum + each, 0);
  t.diagnostic(`${RUNS * CYCLES} kills, ${total} records acknowledged, 0 lost`);
  assert.ok(total > RUNS * CYCLES, `${total} records were acknowledged`);
});

async function killAgainAndAgain(directory: string, seed: number): Promise<number> {
  const random = seededRandom(seed);
  const run = new EngineRun(directory);
  for (let cycle = 1; cycle <= CYCLES; cycle++) {
    const child = run.start({ writers: 1 + below(random, 6) });
    // Now and then before it is open: while it recovers from the kill before.
    if (cycle % 8 > 0) await child.opened();
    await sleep(below(random, cycle % 8 > 0 ? 60 : 150));
    child.signal("SIGKILL");
    assert.equal(await child.ended, "SIGKILL");
    if (cycle % 10 === 0) await run.verify();
  }
  await run.verify("all");
  return run.acknowledged;
}
