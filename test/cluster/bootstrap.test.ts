/** Servers that become a cluster together, out of nothing. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { TestCluster, until } from "../support/cluster.ts";
import { hearing } from "../support/heard.ts";

const bytes = (text: string): Buffer => Buffer.from(text);
const SOMEWHERE = "127.0.0.1:1";

test("five servers, three expect each other: one cluster, which lets the others in", async (t) => {
  const cluster = new TestCluster(t);
  // The first has nobody to look for yet: who is started later finds it.
  await cluster.start(0, { bootstrapExpect: 3, bootstrap: false, startJoinAddrs: [SOMEWHERE] });
  for (const at of [1, 2, 3, 4]) await cluster.start(at, { bootstrapExpect: 3 });
  await cluster.untilVoters(5);
  const leader = await cluster.untilLed();
  await leader.commitLog.append({ value: bytes("one log") }, {});
  await until(
    () => cluster.agents.every(({ commitLog }) => commitLog.highWatermark === 1),
    "not all have it",
  );
  const ids = new Set(cluster.agents.map(({ commitLog }) => commitLog.servers().clusterId));
  assert.equal(ids.size, 1);
});

test("servers that expect different numbers wait, and say so", async (t) => {
  const heard = hearing();
  const cluster = new TestCluster(t, {
    optionsFor: (at) => (at === 0 ? { observer: heard.observer } : {}),
  });
  await cluster.start(0, { bootstrapExpect: 2, bootstrap: false, startJoinAddrs: [SOMEWHERE] });
  await cluster.start(1, { bootstrapExpect: 3 });
  await heard.told("cluster.waits", ({ reason }) => /b expects 3 servers/.test(String(reason)));
  for (const agent of cluster.agents) {
    assert.deepEqual(agent.replica.status.configuration.voters, []);
    assert.equal((await fetch(`http://${agent.rpcAddress}/readyz`)).status, 503);
  }
});

test("a server that expects only itself makes a cluster at once", async (t) => {
  const cluster = new TestCluster(t);
  const agent = await cluster.start(0, { bootstrapExpect: 1, bootstrap: false });
  await cluster.untilLed();
  await agent.commitLog.append({ value: bytes("alone") }, {});
  await agent.close();
  // Nothing is expected of a directory that belongs to a cluster.
  const again = await cluster.start(0, { bootstrapExpect: 1, bootstrap: false });
  await cluster.untilLed();
  assert.equal(again.commitLog.highWatermark, 1);
});

test("who is told to make a cluster looks first whether there is one: its own, from before its disk was lost", async (t) => {
  const cluster = new TestCluster(t);
  const first = await cluster.start(0);
  await first.commitLog.append({ value: bytes("kept") }, {});
  const lost = await cluster.start(1, { bootstrap: true });
  await cluster.untilVoters(2);
  await until(() => lost.commitLog.highWatermark === 1, "it does not have the record");
  assert.equal(lost.commitLog.servers().clusterId, first.commitLog.servers().clusterId);
});

test("who is told to make a cluster, and of others that are not there, makes it", async (t) => {
  const cluster = new TestCluster(t);
  const agent = await cluster.start(0, { startJoinAddrs: [SOMEWHERE] });
  await cluster.untilLed();
  await agent.commitLog.append({ value: bytes("alone") }, {});
});

test("who is told of others alone makes no cluster while they are away, and comes into theirs", async (t) => {
  const heard = hearing();
  const cluster = new TestCluster(t, {
    optionsFor: (at) => (at === 1 ? { observer: heard.observer } : {}),
  });
  const first = await cluster.start(0);
  await first.commitLog.append({ value: bytes("theirs") }, {});
  const { gossipAddress } = first;
  const { clusterId } = first.commitLog.servers();
  await first.close();
  for (let starts = 1; starts <= 2; starts++) {
    const lost = await cluster.start(1, { startJoinAddrs: [gossipAddress] });
    // By then it has looked for longer than those wait who make a cluster.
    await heard.told("gossip.join-failed", ({ attempt }) => Number(attempt) >= 2);
    assert.deepEqual(lost.replica.status.configuration.voters, []);
    assert.equal(lost.commitLog.servers().clusterId, "");
    assert.equal(lost.replica.status.lastIndex, 0);
    await assert.rejects(lost.commitLog.append({ value: bytes("its own") }, {}), {
      code: "NOT_LEADER",
    });
    assert.equal((await fetch(`http://${lost.rpcAddress}/readyz`)).status, 503);
    if (starts === 1) await lost.close();
    heard.forget();
  }
  await cluster.start(0, { bindAddr: gossipAddress, bootstrap: false, startJoinAddrs: [] });
  await cluster.untilVoters(2);
  await cluster.untilEven();
  const ids = cluster.agents.map(({ commitLog }) => commitLog.servers().clusterId);
  assert.deepEqual(ids, [clusterId, clusterId]);
});
