/** Servers of one process that are one log. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { decodeBatch } from "../../src/base/index.ts";
import type { Agent } from "../../src/agent/index.ts";
import { connect } from "../../src/client/index.ts";
import { startCluster } from "../support/cluster.ts";

const bytes = (text: string): Buffer => Buffer.from(text);

async function valuesOf({ commitLog }: Agent): Promise<string[]> {
  const values: string[] = [];
  while (values.length < commitLog.highWatermark) {
    for (const batch of await commitLog.read(values.length, 1_000_000)) {
      for (const { value } of decodeBatch(batch)) values.push(Buffer.from(value ?? []).toString());
    }
  }
  return values;
}

describe("three servers", () => {
  test("what is produced on one is consumed from all", async (t) => {
    const cluster = await startCluster(t, 3);
    const leader = await cluster.untilLed();
    await using client = connect(leader.rpcAddress);
    for (const value of ["one", "two", "three"]) await client.produce({ value: bytes(value) });
    await cluster.untilEven();
    for (const agent of cluster.agents) {
      assert.deepEqual(await valuesOf(agent), ["one", "two", "three"]);
      await using reader = connect(agent.rpcAddress);
      assert.equal((await reader.read(2)).value?.toString(), "three");
    }
  });
});
