/** A minute of chaos on three real servers: killed, stopped, cut off and emptied, under load. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../chaos/run.ts";
import { makeFolder } from "../support/program.ts";

test("a minute of kills, pauses, partitions and emptied disks: no promise is broken", async (t) => {
  const only = ["kill", "pause", "partition", "wipe"];
  const folder = join(makeFolder(t), "chaos");
  const outcome = await run({ seed: 7, minutes: 1, replicas: 3, only, folder });
  const { figures, faultCounts, violations, wires, command } = outcome;
  t.diagnostic(
    `${figures.acknowledged} acknowledged, ${figures.unknown} unknown, ${figures.leaderChanges} ` +
      `changes of the leader, ${JSON.stringify(faultCounts)}, over ${wires}`,
  );
  assert.deepEqual(violations, [], `again: ${command}`);
});
