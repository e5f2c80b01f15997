/** Linearizable reads: thesis 6.4. Scenarios F1-F3, F7, F8. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { limits } from "../../base/index.ts";
import type { Message } from "../index.ts";
import { Cluster } from "../testing/cluster.ts";

function read(cluster: Cluster, id: number): number {
  const result = cluster.raft(id).readIndex();
  assert.ok(result.kind === "started");
  return result.readId;
}

const readsOf = (cluster: Cluster, id: number) =>
  cluster.seat(id).reads.map(({ readId, index }) => [readId, index]);

describe("read index", () => {
  test("a leader answers once a majority has heard it, a follower asks the leader", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(1);
    cluster.propose(1, "a");
    const own = read(cluster, 1);
    const others = read(cluster, 2);
    assert.deepEqual(readsOf(cluster, 1), []);
    cluster.run();
    assert.deepEqual(readsOf(cluster, 1), [[own, 2]]);
    assert.deepEqual(readsOf(cluster, 2), [[others, 2]]);
  });

  test("F1: not before something is committed in the leader's term", () => {
    for (const voters of [[1], [1, 2, 3]]) {
      const cluster = new Cluster(voters, { asynchronousStorage: true });
      cluster.raft(1).campaign();
      for (let at = 0; at < 20 && cluster.raft(1).role !== "leader"; at++) {
        for (const id of voters) cluster.work(id);
        for (const id of voters) while (cluster.store(id));
        for (const message of cluster.takeOut(() => true)) cluster.deliver(message);
      }
      assert.equal(cluster.raft(1).hasCommittedInTerm, false);
      const readId = read(cluster, 1);
      cluster.work(1);
      assert.deepEqual(readsOf(cluster, 1), []);
      cluster.run();
      assert.deepEqual(readsOf(cluster, 1), [[readId, 1]]);
    }
  });

  test("F2: answers to an earlier round, or an earlier wish, confirm nothing younger", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(1);
    read(cluster, 1);
    cluster.work(1);
    for (const message of cluster.takeOut(() => true)) cluster.deliver(message);
    cluster.work(2);
    cluster.work(3);
    const late = cluster.takeOut(() => true);
    assert.deepEqual(
      late.map(({ kind }) => kind),
      ["heartbeatResponse", "heartbeatResponse"],
    );
    cluster.isolate(1);
    cluster.elect(2);
    cluster.lose = ({ from, to }) => from === 1 || to === 1;
    cluster.propose(2, "newer");
    const second = read(cluster, 1);
    cluster.work(1);
    for (const message of late) cluster.deliver(message);
    cluster.work(1);
    assert.equal(cluster.seat(1).reads.length, 1, "the first read began before the newer commit");
    assert.ok(cluster.seat(1).reads.every(({ readId }) => readId !== second));
  });

  test("F2: a request that a follower repeats is another read", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(1);
    const ask = { kind: "readIndex", from: 2, to: 1, term: 0, readId: 7 } as const;
    const rounds: number[] = [];
    cluster.lose = (message: Message) => {
      if (message.kind === "heartbeat" && message.to === 2) rounds.push(message.readRound);
      return false;
    };
    cluster.deliver(ask);
    cluster.run();
    cluster.deliver(ask);
    cluster.run();
    assert.deepEqual(rounds, [1, 2]);
  });

  test("ids are never used again, not even by another life", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(1);
    const first = [read(cluster, 1), read(cluster, 1)];
    cluster.restart(1, { random: { u32: () => 12345 } });
    cluster.elect(1);
    assert.equal(new Set([...first, read(cluster, 1)]).size, 3);
  });

  test("F3: a majority is a majority", () => {
    const cluster = new Cluster([1, 2, 3, 4, 5]);
    cluster.elect(1);
    cluster.lose = ({ kind, from }) => kind === "heartbeatResponse" && from > 2;
    read(cluster, 1);
    cluster.run();
    assert.deepEqual(readsOf(cluster, 1), []);
    cluster.lose = ({ kind, from }) => kind === "heartbeatResponse" && from > 3;
    cluster.tick(1);
    cluster.run();
    assert.equal(readsOf(cluster, 1).length, 1);
  });

  test("many reads share a round", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(1);
    for (let at = 0; at < 100; at++) read(cluster, 1);
    let heartbeats = 0;
    cluster.lose = ({ kind }) => {
      if (kind === "heartbeat") heartbeats += 1;
      return false;
    };
    cluster.run();
    assert.equal(cluster.seat(1).reads.length, 100);
    assert.equal(heartbeats, 4, "the first read's round, and one for all others");
  });

  test("F7: a smaller quorum is enough as soon as it is in force", () => {
    const cluster = new Cluster([1, 2]);
    cluster.elect(1);
    cluster.raft(1).proposeConfiguration(
      {
        version: 2,
        transition: "auto",
        operations: [{ kind: "remove", member: { replicaId: 2, name: "r2" } }],
      },
      4,
    );
    read(cluster, 1);
    cluster.drop("heartbeatResponse");
    cluster.run();
    assert.equal(cluster.seat(1).reads.length, 1);
  });

  test("F8: without a leader there is no read", () => {
    const cluster = new Cluster([1, 2, 3]);
    assert.deepEqual(cluster.raft(1).readIndex(), { kind: "refused", reason: "noLeader" });
    cluster.raft(1).campaign();
    assert.deepEqual(cluster.raft(1).readIndex(), { kind: "refused", reason: "noLeader" });
  });

  test("no more reads wait than the limit", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(1);
    for (let at = 0; at < limits.raftReadsMax; at++) read(cluster, 1);
    assert.deepEqual(cluster.raft(1).readIndex(), { kind: "refused", reason: "readsLimit" });
  });

  test("with leases a leader answers at once, and nobody forgets it", () => {
    const cluster = new Cluster([1, 2, 3], { reads: "lease", checkQuorum: true });
    cluster.elect(1);
    read(cluster, 1);
    cluster.work(1);
    assert.equal(cluster.seat(1).reads.length, 1);
    assert.deepEqual(cluster.raft(2).forgetLeader(), {
      kind: "refused",
      reason: "leaseBasedReads",
    });
  });

  test("a leader is forgotten without a term", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(1);
    cluster.raft(2).forgetLeader();
    cluster.raft(1).forgetLeader();
    assert.deepEqual([cluster.raft(2).leader, cluster.raft(1).leader], [0, 1]);
    cluster.tick(1);
    cluster.run();
    assert.equal(cluster.raft(2).leader, 1);
  });
});
