/** Who joins a log whose beginning was let go of. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ClusterClient, connect } from "../../src/client/index.ts";
import { TestCluster } from "../support/cluster.ts";

test("a server joins a log that has let go of its beginning, and votes", async (t) => {
  const cluster = new TestCluster(t, { settings: { segmentBytes: 4096 } });
  // What those agree on who make a cluster together is no entry of the log.
  const first = await cluster.start(0, { bootstrap: false, bootstrapExpect: 1 });
  await cluster.untilLed();
  await using client = connect(`ipv4:${first.rpcAddress}`);
  await using producer = client.producer();
  for (let n = 0; n < 60; n++) await (await producer.send({ value: Buffer.alloc(300) })).ack;
  await using operator = new ClusterClient(`ipv4:${first.rpcAddress}`);
  const { lowest } = await operator.ask("DeleteBefore", { offset: 50 });
  assert.equal(lowest, 50);
  await cluster.start(1);
  await cluster.untilVoters(2);
  await cluster.untilEven();
  assert.equal(cluster.agents[1]?.commitLog.lowestOffset, 50);
});
