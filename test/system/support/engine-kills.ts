import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { below, seededRandom } from "../../../src/base/index.ts";
import { EngineRun } from "./engine-run.ts";

/**
 * Kills a process that appends with `openLog`, again and again, at random moments. Answers how many
 * records were acknowledged; throws when one of them is lost.
 */
export async function killEngines(
  directory: string,
  seed: number,
  cycles: number,
): Promise<number> {
  const random = seededRandom(seed);
  const run = new EngineRun(directory);
  for (let cycle = 1; cycle <= cycles; cycle++) {
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
