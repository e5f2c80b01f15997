/** Servers of one process that are one log. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import type { Agent } from "../../src/agent/index.ts";
import { decodeBatch } from "../../src/base/index.ts";
import { connect } from "../../src/client/index.ts";
import { startCluster, until } from "../support/cluster.ts";
import { clusterCredentials } from "../support/cluster-credentials.ts";

const bytes = (text: string): Buffer => Buffer.from(text);

/** Every record that a server would give to a reader. */
async function valuesOf({ commitLog }: Agent): Promise<string[]> {
  const values: string[] = [];
  while (values.length < commitLog.highWatermark) {
    for (const batch of await commitLog.read(values.length, 1_000_000)) {
      for (const { value } of decodeBatch(batch)) values.push(Buffer.from(value ?? []).toString());
    }
  }
  return values;
}

describe("three servers", { concurrency: true }, () => {
  test("what is produced on the one that leads is consumed from all, and nothing twice", async (t) => {
    const cluster = await startCluster(t, 3);
    const leader = await cluster.untilLed();
    await using client = connect(leader.rpcAddress);
    const values = Array.from({ length: 20 }, (_, at) => `record ${at}`);
    for (const value of values) await client.produce({ value: bytes(value) });
    await cluster.untilEven();
    for (const agent of cluster.agents) {
      assert.deepEqual(await valuesOf(agent), values);
      await using reader = connect(agent.rpcAddress);
      assert.equal((await reader.read(19)).value?.toString(), "record 19");
      await assert.rejects(reader.read(21), { code: "OFFSET_OUT_OF_RANGE" });
    }
  });

  test("every server tells of all, and who leads", async (t) => {
    const cluster = await startCluster(t, 3);
    const leader = await cluster.untilLed();
    for (const agent of cluster.agents) await until(() => isReady(agent), "it is not ready");
    for (const agent of cluster.agents) {
      await using client = connect(agent.rpcAddress);
      const { servers } = await client.servers();
      const byId = (a: { id: string }, b: { id: string }): number => (a.id < b.id ? -1 : 1);
      assert.deepEqual(
        servers.toSorted(byId).map(({ id, rpcAddress, httpAddress, role, isLeader }) => ({
          ...{ id, rpcAddress, httpAddress, role, isLeader },
        })),
        cluster.agents.map((each, at) => ({
          id: "abc".charAt(at),
          rpcAddress: each.rpcAddress,
          httpAddress: each.httpAddress,
          role: "voter",
          isLeader: each === leader,
        })),
      );
    }
  });

  test("the leader tells how far each one is, the others how far they are themselves", async (t) => {
    const cluster = await startCluster(t, 3);
    const leader = await cluster.untilLed();
    for (let at = 0; at < 3; at++) await leader.commitLog.append({ value: bytes("x") }, {});
    await cluster.untilEven();
    const marksOf = (agent: Agent): (number | undefined)[] => {
      const { servers } = agent.commitLog.servers();
      return ["a", "b", "c"].map((name) => servers.find(({ id }) => id === name)?.highWatermark);
    };
    await until(() => marksOf(leader).every((mark) => mark === 3), "a follower's is not told");
    for (const [at, agent] of cluster.agents.entries()) {
      if (agent === leader) continue;
      const own = [undefined, undefined, undefined].map((_, each) => (each === at ? 3 : undefined));
      assert.deepEqual(marksOf(agent), own);
      await using client = connect(agent.rpcAddress);
      const { servers } = await client.servers();
      assert.deepEqual(
        servers.map(({ highWatermark }) => highWatermark ?? -1).toSorted(),
        [-1, -1, 3],
      );
    }
  });

  test("a follower that is behind is told as one", async (t) => {
    const cluster = await startCluster(t, 3);
    const leader = await cluster.untilLed();
    const [gone = assert.fail()] = cluster.agents.filter((agent) => agent !== leader);
    await leader.commitLog.append({ value: bytes("for all") }, {});
    await cluster.untilEven();
    const { replicaId } = gone.replica;
    await until(() => leader.replica.members.isCaughtUp(replicaId), "it did not say what it has");
    await gone.close();
    await leader.commitLog.append({ value: bytes("without it") }, {});
    const { servers } = leader.commitLog.servers();
    const marks = servers.map(({ highWatermark = -1 }) => highWatermark).toSorted();
    assert.deepEqual([marks[0], marks[2]], [1, 2]);
  });

  test("one that is removed receives no more", async (t) => {
    const cluster = await startCluster(t, 3);
    const leader = await cluster.untilLed();
    await leader.commitLog.append({ value: bytes("for all") }, {});
    await cluster.untilEven();
    const gone = cluster.agents.find((agent) => agent !== leader) ?? assert.fail();
    await leader.replica.members.remove(gone.replica.replicaId);
    await leader.commitLog.append({ value: bytes("for those who stay") }, {});
    const stays = cluster.agents.filter((agent) => agent !== gone);
    await until(() => stays.every(({ commitLog }) => commitLog.highWatermark === 2), "no record");
    assert.deepEqual(await valuesOf(gone), ["for all"]);
  });

  test("one that leads and ends lets another lead, and stays a voter", async (t) => {
    const cluster = await startCluster(t, 3);
    const leader = await cluster.untilLed();
    const { term } = leader.replica.status;
    const stay = cluster.agents.filter((agent) => agent !== leader);
    // An election would have to wait until it is gone.
    const isLed = (): boolean => stay.some(({ replica }) => replica.isLeading);
    const led = until(isLed, "nobody was asked to lead").then(() => leader.replica.status);
    await leader.close();
    assert.equal((await led).term, term + 1);
    for (const { replica } of stay) assert.equal(replica.status.configuration.voters.length, 3);
  });

  test("the same with certificates, and over TLS alone", async (t) => {
    const secure = await clusterCredentials(3);
    t.after(() => secure.remove());
    const cluster = await startCluster(t, 3, { settingsFor: secure.settingsFor });
    const leader = await cluster.untilLed();
    await using client = connect(leader.rpcAddress, { tls: secure.root });
    await client.produce({ value: bytes("secret") });
    await cluster.untilEven();
    for (const agent of cluster.agents) assert.deepEqual(await valuesOf(agent), ["secret"]);
  });

  test("one certificate for all servers serves where each allows it", async (t) => {
    const secure = await clusterCredentials(2, { isShared: true });
    t.after(() => secure.remove());
    const cluster = await startCluster(t, 2, { settingsFor: secure.settingsFor });
    const leader = await cluster.untilLed();
    await using client = connect(leader.rpcAddress, { tls: secure.root });
    await client.produce({ value: bytes("shared") });
    await cluster.untilEven();
    for (const agent of cluster.agents) assert.deepEqual(await valuesOf(agent), ["shared"]);
  });
});

async function isReady({ rpcAddress }: Agent): Promise<boolean> {
  return (await fetch(`http://${rpcAddress}/readyz`)).ok;
}
