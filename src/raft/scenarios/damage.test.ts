/** Replicas that may have lost their memory: contracts, "fences and recovery". Scenarios A14, A15. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Cluster } from "../testing/cluster.ts";

/** Replica 3 acknowledged everything, and comes back without its last entries. */
function damaged(lost = 2): Cluster {
  const cluster = new Cluster([1, 2, 3]);
  cluster.elect(1);
  cluster.propose(1, "a", "b", "c");
  cluster.crash(3);
  cluster.seat(3).storage.lose(lost);
  cluster.restart(3, { damaged: true });
  return cluster;
}

describe("a damaged replica", () => {
  test("A14: gives no vote and no pre-vote, and does not campaign", () => {
    const cluster = damaged();
    for (const kind of ["requestVote", "requestPreVote"] as const) {
      const head = { from: 2, to: 3, term: 9, lastIndex: 99, lastTerm: 9 };
      cluster.deliver(
        kind === "requestVote" ? { ...head, kind, transfer: true } : { ...head, kind, term: 10 },
      );
    }
    cluster.work(3);
    assert.deepEqual(
      cluster.messages.map((message) => "rejected" in message && message.rejected),
      [true, true],
    );
    cluster.tick(3, 100);
    cluster.raft(3).campaign();
    cluster.deliver({ kind: "timeoutNow", from: 2, to: 3, term: 9 });
    assert.equal(cluster.raft(3).role, "follower");
  });

  test("its acknowledgements do not count, and what it had acknowledged is forgotten", () => {
    const cluster = damaged();
    cluster.isolate(2);
    cluster.pass(1);
    assert.deepEqual(cluster.eventsOf(1, "peerDamaged").length, 1);
    const { match, acknowledged } = cluster.raft(1).progress.get(3) ?? {};
    assert.equal(match, 5, "it copies the log");
    assert.equal(acknowledged, 0);
    cluster.propose(1, "d");
    assert.equal(cluster.raft(1).commitIndex, 4);
    cluster.raft(3).reportRepaired();
    cluster.pass(3);
    assert.equal(cluster.raft(3).damaged, true, "nothing was committed without it");
  });

  test("is whole once an entry proposed after the damage was known is committed without it", () => {
    const cluster = damaged();
    cluster.raft(3).reportRepaired();
    cluster.pass(2);
    assert.equal(cluster.raft(3).damaged, false);
    assert.equal(cluster.eventsOf(1, "peerRepaired").length, 1);
    assert.deepEqual(cluster.log(3), cluster.log(1));
    cluster.isolate(2);
    cluster.propose(1, "d");
    assert.ok(cluster.appliedBy(1).includes("1:d"), "it counts again");
  });

  test("waits for the driver to fill the holes of its log, in either order", () => {
    const cluster = damaged();
    cluster.pass(2);
    assert.equal(cluster.raft(3).damaged, true);
    cluster.raft(3).reportRepaired();
    assert.equal(cluster.raft(3).damaged, false);
    cluster.raft(3).reportRepaired();
    cluster.pass(2);
    assert.equal(cluster.raft(1).progress.get(3)?.damageId, 0);
  });

  test("an acknowledgement from before the damage, come late, proves nothing", () => {
    const cluster = damaged();
    cluster.isolate(2);
    cluster.pass(1);
    cluster.deliver({
      kind: "appendEntriesResponse",
      from: 3,
      to: 1,
      term: 1,
      index: 4,
      rejected: false,
      hintIndex: 0,
      hintTerm: 0,
      damageId: 0,
    });
    assert.equal(cluster.raft(1).progress.get(3)?.acknowledged, 0);
  });

  test("a second damage is another one: the word about the first does not cure it", () => {
    const cluster = damaged();
    cluster.isolate(2);
    cluster.pass(1);
    const first = cluster.raft(1).progress.get(3)?.repairIndex ?? 0;
    cluster.crash(3);
    cluster.seat(3).storage.lose(2);
    cluster.restart(3, { damaged: true, random: { u32: () => 77 } });
    cluster.raft(3).reportRepaired();
    cluster.pass(1);
    const second = cluster.raft(1).progress.get(3)?.repairIndex ?? 0;
    assert.ok(second > first);
    const { damageId } = cluster.raft(1).progress.get(3) ?? { damageId: 0 };
    cluster.deliver({
      kind: "appendEntries",
      from: 1,
      to: 3,
      term: 1,
      previousIndex: first,
      previousTerm: 1,
      entries: [],
      commit: first,
      damageId: damageId - 1,
      repairIndex: first,
    });
    assert.equal(cluster.raft(3).damaged, true);
    cluster.heal();
    cluster.pass(2);
    assert.equal(cluster.raft(3).damaged, false);
  });

  test("its leader hears of it by whatever it answers first", () => {
    const cluster = damaged();
    cluster.drop("heartbeat");
    cluster.propose(1, "d");
    assert.equal(cluster.eventsOf(1, "peerDamaged").length, 1);
  });

  test("does not confirm reads: it may have forgotten whom it follows", () => {
    const cluster = damaged();
    cluster.isolate(2);
    cluster.pass(1);
    cluster.raft(1).readIndex();
    cluster.pass(3);
    assert.deepEqual(cluster.seat(1).reads, []);
  });

  test("does not keep a leader in office", () => {
    const cluster = new Cluster([1, 2, 3], { checkQuorum: true });
    cluster.elect(1);
    cluster.crash(3);
    cluster.restart(3, { damaged: true });
    cluster.isolate(2);
    cluster.pass(25);
    assert.notEqual(cluster.raft(1).role, "leader");
  });

  test("is no target of a transfer once that is known", () => {
    const cluster = damaged();
    cluster.isolate(3);
    cluster.propose(1, "d");
    cluster.heal();
    cluster.raft(1).transferLeadership(3);
    cluster.pass(1);
    assert.equal(cluster.raft(1).transferTarget, 0);
  });

  test("a heartbeat's commit means nothing to a log that may have holes", () => {
    const cluster = damaged(2);
    const commit = cluster.raft(3).commitIndex;
    cluster.deliver({ kind: "heartbeat", from: 1, to: 3, term: 1, commit: 4, readRound: 0 });
    assert.equal(cluster.raft(3).commitIndex, commit);
  });

  test("an empty one gets everything, by entries or by a snapshot", () => {
    for (const compacts of [false, true]) {
      const cluster = damaged(1);
      cluster.seat(3).storage.hardState = { term: 0, vote: 0, commit: 0 };
      cluster.restart(3, { damaged: true });
      if (compacts) cluster.compact(1, 3);
      cluster.raft(3).reportRepaired();
      cluster.pass(4);
      assert.equal(cluster.raft(3).damaged, false);
      assert.equal(cluster.raft(3).lastIndex, cluster.raft(1).lastIndex);
    }
  });
});
