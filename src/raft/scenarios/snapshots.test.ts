/** Prefix markers: paper 7. Scenarios B10, B20, D4, D5, E4, E6, E8, C11. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import type { Message } from "../index.ts";
import { Cluster, votersOf } from "../testing/cluster.ts";

function withLaggard(): Cluster {
  const cluster = new Cluster([1, 2, 3]);
  cluster.elect(1);
  cluster.isolate(3);
  cluster.propose(1, "a", "b", "c");
  cluster.compact(1, 3);
  cluster.heal();
  return cluster;
}

describe("snapshots", () => {
  test("a follower whose next entry is gone gets the snapshot, then what follows", () => {
    const cluster = withLaggard();
    cluster.pass(2);
    assert.equal(cluster.raft(3).lastIndex, 4);
    assert.equal(cluster.seat(3).storage.firstIndex(), 4);
    assert.deepEqual(cluster.eventsOf(1, "snapshotSent").length, 1);
    assert.deepEqual(cluster.eventsOf(3, "snapshotRestored"), [
      { kind: "snapshotRestored", index: 3, term: 1 },
    ]);
    cluster.propose(1, "d");
    assert.deepEqual(cluster.appliedBy(3).at(-1), "1:d");
  });

  test("nothing else is sent until it arrives, and a lost one is sent again", () => {
    const cluster = withLaggard();
    cluster.drop("installSnapshot");
    cluster.pass(1);
    const progress = cluster.raft(1).progress.get(3);
    assert.deepEqual(
      [progress?.state, progress?.pendingSnapshot, progress?.paused],
      ["snapshot", 3, true],
    );
    cluster.propose(1, "d");
    assert.equal(cluster.raft(3).lastIndex, 1);
    cluster.heal();
    cluster.raft(1).reportSnapshot(3, false);
    assert.deepEqual([progress?.state, progress?.next], ["probe", 2]);
    cluster.pass(2);
    assert.equal(cluster.raft(3).lastIndex, 5);
  });

  test("one that was delivered is followed by the entries after it", () => {
    const cluster = withLaggard();
    cluster.drop("installSnapshot");
    cluster.pass(1);
    cluster.raft(1).reportSnapshot(3, true);
    const progress = cluster.raft(1).progress.get(3);
    assert.deepEqual([progress?.state, progress?.next], ["probe", 4]);
    cluster.raft(1).reportSnapshot(3, true);
    cluster.heal();
    cluster.pass(2);
    assert.equal(progress?.match, 4);
  });

  test("E7: storage without a snapshot now is asked again; a silent follower gets none", () => {
    const cluster = withLaggard();
    const { storage } = cluster.seat(1);
    const snapshot = storage.snapshot.bind(storage);
    storage.snapshot = () => undefined;
    cluster.pass(2);
    assert.equal(cluster.raft(1).progress.get(3)?.state, "probe");
    storage.snapshot = snapshot;
    cluster.pass(2);
    assert.equal(cluster.raft(3).lastIndex, 4);
  });

  test("E4: an old snapshot changes nothing, and is answered with what is committed", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(1);
    cluster.propose(1, "a", "b");
    const snapshot = { index: 2, term: 1, configuration: votersOf(1, 2, 3), data: "" };
    cluster.deliver({ kind: "installSnapshot", from: 1, to: 2, term: 1, snapshot });
    cluster.work(2);
    assert.deepEqual(cluster.log(2), ["1:", "1:a", "1:b"]);
    assert.deepEqual(
      cluster.messages.map((message) => "index" in message && message.index),
      [3],
    );
  });

  test("one that our log agrees with only tells that it is committed", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(1);
    cluster.lose = (message) => message.kind === "appendEntries" && message.entries.length === 0;
    cluster.propose(1, "a");
    assert.equal(cluster.raft(2).commitIndex, 1);
    const snapshot = { index: 2, term: 1, configuration: votersOf(1, 2, 3), data: "" };
    cluster.deliver({ kind: "installSnapshot", from: 1, to: 2, term: 1, snapshot });
    assert.equal(cluster.raft(2).commitIndex, 2);
    assert.equal(cluster.eventsOf(2, "snapshotRestored").length, 0);
  });

  test("one that does not know us is ignored", () => {
    const cluster = new Cluster([1, 2, 3]);
    const snapshot = { index: 5, term: 1, configuration: votersOf(1, 2), data: "" };
    cluster.deliver({ kind: "installSnapshot", from: 1, to: 3, term: 1, snapshot });
    assert.equal(cluster.raft(3).lastIndex, 0);
  });

  test("one that waits to be added takes some that are older than its addition, one after another", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.add(4);
    for (const index of [3, 5]) {
      const snapshot = { index, term: 1, configuration: votersOf(1, 2, 3), data: "" };
      cluster.deliver({ kind: "installSnapshot", from: 1, to: 4, term: 1, snapshot });
      cluster.work(4);
      assert.equal(cluster.raft(4).lastIndex, index);
    }
  });

  test("a follower that has one gets the next at once when the log has moved on meanwhile", () => {
    const cluster = withLaggard();
    const held: Message[] = [];
    cluster.lose = (message) => message.kind === "installSnapshot" && held.push(message) > 0;
    cluster.pass(1);
    cluster.heal();
    cluster.propose(1, "d", "e");
    cluster.compact(1, 5);
    cluster.send(held);
    cluster.run();
    assert.equal(cluster.raft(3).lastIndex, 6);
    assert.deepEqual(
      cluster.eventsOf(3, "snapshotRestored").map(({ index }) => index),
      [3, 5],
    );
  });

  test("D5, E6: a snapshot replaces a divergent log, and its configuration holds", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(3);
    cluster.isolate(3);
    cluster.propose(3, "x", "y", "z", "w", "v");
    cluster.change(3, "r1");
    cluster.lose = ({ from, to }) => from === 3 || to === 3;
    cluster.elect(1);
    cluster.propose(1, "a");
    cluster.change(1, "l4");
    cluster.compact(1, 4);
    cluster.heal();
    cluster.pass(3);
    assert.equal(cluster.raft(3).lastIndex, 4);
    assert.equal(cluster.seat(3).storage.firstIndex(), 5);
    assert.deepEqual(cluster.raft(3).configuration, cluster.raft(1).configuration);
  });

  test("C11: who is in the middle of one does not campaign", () => {
    const cluster = new Cluster([1, 2, 3], { asynchronousStorage: true });
    const snapshot = { index: 5, term: 1, configuration: votersOf(1, 2, 3), data: "" };
    cluster.deliver({ kind: "installSnapshot", from: 1, to: 3, term: 1, snapshot });
    cluster.raft(3).campaign();
    assert.equal(cluster.raft(3).role, "follower");
    assert.equal(cluster.eventsOf(3, "cannotCampaign").at(-1)?.reason, "unpromotable");
    cluster.work(3);
    cluster.store(3);
    assert.equal(cluster.raft(3).appliedIndex, 5);
    cluster.raft(3).campaign();
    assert.equal(cluster.raft(3).role, "candidate");
  });

  test("B10: a term that is gone is not the term 0", () => {
    const cluster = withLaggard();
    cluster.isolate(3);
    cluster.propose(1, "d", "e");
    cluster.compact(1, 6);
    cluster.heal();
    cluster.pass(3);
    assert.equal(cluster.raft(3).lastIndex, 6);
    const result = cluster.raft(3).step({
      kind: "appendEntries",
      from: 1,
      to: 3,
      term: 1,
      previousIndex: 9,
      previousTerm: 0,
      entries: [],
      commit: 9,
      damageId: 0,
      repairIndex: 0,
    });
    assert.deepEqual(result, { kind: "refused", reason: "brokenChain" });
  });

  test("a follower that lacks less than it seemed goes on without the snapshot", () => {
    const cluster = withLaggard();
    cluster.drop("installSnapshot");
    cluster.pass(1);
    cluster.deliver({
      kind: "appendEntriesResponse",
      from: 3,
      to: 1,
      term: 1,
      index: 3,
      rejected: false,
      hintIndex: 0,
      hintTerm: 0,
      damageId: 0,
    });
    assert.equal(cluster.raft(1).progress.get(3)?.state, "replicate");
  });
});
