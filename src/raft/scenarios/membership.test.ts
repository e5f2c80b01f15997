/** Who takes part: thesis chapter 4. Scenarios D1-D12, A9, C9. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Cluster, operations, votersOf } from "../testing/cluster.ts";

const ids = (members: readonly { replicaId: number }[]) => members.map((each) => each.replicaId);

function change(...words: string[]) {
  return { version: 2, transition: "auto", operations: operations(...words) } as const;
}

describe("changes of the configuration", () => {
  test("a learner is caught up, becomes a voter, and every log tells the same", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(1);
    cluster.propose(1, "a");
    cluster.add(4);
    cluster.change(1, "l4");
    assert.deepEqual(ids(cluster.raft(4).configuration.learners), [4]);
    assert.deepEqual(ids(cluster.raft(4).configuration.voters), [1, 2, 3], "also those before it");
    cluster.change(1, "v4");
    for (const id of [1, 2, 3, 4]) {
      assert.deepEqual(ids(cluster.raft(id).configuration.voters), [1, 2, 3, 4]);
      assert.deepEqual(cluster.log(id), cluster.log(1));
    }
  });

  test("a learner does not count for commit", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(1);
    cluster.add(4);
    cluster.add(5);
    cluster.change(1, "l4");
    cluster.change(1, "l5");
    cluster.isolate(2, 3);
    cluster.propose(1, "a");
    assert.ok(cluster.log(4).includes("1:a"));
    assert.ok(!cluster.appliedBy(1).includes("1:a"));
  });

  test("D1: no change before the leader has applied what its log held when it began", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(1);
    cluster.isolate(1);
    cluster.propose(1, "not committed");
    cluster.drop("appendEntries");
    cluster.restart(1);
    cluster.elect(1);
    const unapplied = { kind: "refused", reason: "unappliedChange" };
    assert.deepEqual(cluster.raft(1).proposeConfiguration(change("r3"), 4), unapplied);
    cluster.heal();
    cluster.pass(1);
    assert.equal(cluster.raft(1).proposeConfiguration(change("r3"), 4).kind, "appended");
  });

  test("D2, D11: one change at a time; the second becomes an entry that says nothing", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(1);
    assert.equal(cluster.raft(1).proposeConfiguration(change("l4"), 4).kind, "appended");
    const second = cluster.raft(1).proposeConfiguration(change("l5"), 4);
    assert.deepEqual(second, { kind: "refused", reason: "unappliedChange" });
    cluster.run();
    assert.deepEqual(ids(cluster.raft(1).configuration.learners), [4]);
    assert.deepEqual(cluster.log(1), ["1:", "1:*", "1:"]);
    cluster.change(1, "l5");
    assert.deepEqual(ids(cluster.raft(1).configuration.learners), [4, 5]);
  });

  test("D2: an unapplied configuration is never used for a quorum", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(1);
    cluster.add(4);
    cluster.add(5);
    cluster.isolate(1, 4, 5);
    cluster.change(1, "v4", "v5");
    cluster.propose(1, "a");
    assert.equal(cluster.raft(1).commitIndex, 1, "1, 4 and 5 are no majority of 1, 2 and 3");
    assert.deepEqual(ids(cluster.raft(1).configuration.voters), [1, 2, 3]);
  });

  test("D3: a change that is cut was never in force, and the next one is free", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(1);
    cluster.isolate(1);
    cluster.change(1, "r3");
    cluster.heal();
    cluster.lose = ({ from, to }) => from === 1 || to === 1;
    cluster.elect(2);
    cluster.heal();
    cluster.tick(2);
    cluster.run();
    assert.deepEqual(cluster.log(1), cluster.log(2));
    assert.deepEqual(ids(cluster.raft(1).configuration.voters), [1, 2, 3]);
    cluster.elect(1);
    cluster.change(1, "r3");
    assert.deepEqual(ids(cluster.raft(1).configuration.voters), [1, 2]);
  });

  test("D6: a restart knows the applied configuration, and applies no entry twice", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(1);
    cluster.change(1, "r3");
    cluster.change(1, "l4");
    const before = cluster.raft(1).configuration;
    cluster.restart(1);
    assert.deepEqual(cluster.raft(1).configuration, before);
    const told = cluster.eventsOf(1, "switchedConfiguration").length;
    cluster.run();
    assert.equal(cluster.raft(1).appliedIndex, 3);
    assert.equal(cluster.eventsOf(1, "switchedConfiguration").length, told);
    assert.deepEqual(cluster.raft(1).configuration, before);
    assert.equal(cluster.raft(1).configurationIndex, 3);
  });

  test("D7: votes and acknowledgements of a removed replica are refused", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(1);
    cluster.change(1, "r3");
    const result = cluster.raft(1).step({
      kind: "heartbeatResponse",
      from: 3,
      to: 1,
      term: 1,
      readRound: 0,
      damageId: 0,
    });
    assert.deepEqual(result, { kind: "refused", reason: "unknownPeer" });
    assert.equal(cluster.raft(1).progress.has(3), false);
  });

  test("D8: a leader that removes itself commits without itself, and takes nothing new", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(1);
    cluster.change(1, "r1");
    const refused = { kind: "refused", reason: "notMember" };
    assert.deepEqual(cluster.raft(1).propose([{ payload: "a", sizeBytes: 1 }]), refused);
    assert.equal(cluster.raft(1).role, "leader", "until it is told to stop");
    assert.deepEqual(ids(cluster.raft(2).configuration.voters), [2, 3]);
    cluster.elect(2);
    cluster.propose(2, "b");
    assert.ok(cluster.appliedBy(3).includes("2:b"));
  });

  test("D8: or steps down at once", () => {
    for (const word of ["r1", "l1"]) {
      const cluster = new Cluster([1, 2, 3], { stepDownOnRemoval: true });
      cluster.elect(1);
      cluster.change(1, word);
      assert.equal(cluster.raft(1).role, "follower");
    }
  });

  test("A9: three voters become one, which then decides alone", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(1);
    cluster.change(1, "r3");
    cluster.change(1, "r2");
    cluster.isolate(1);
    cluster.propose(1, "alone");
    assert.ok(cluster.appliedBy(1).includes("1:alone"));
  });

  test("a change that leaves nobody, or does not fit, is refused", () => {
    const cluster = new Cluster([1]);
    cluster.elect(1);
    const propose = (...words: string[]) =>
      cluster.raft(1).proposeConfiguration(change(...words), 4);
    assert.deepEqual(propose("r1"), { kind: "refused", reason: "badConfiguration" });
    assert.deepEqual(propose(), { kind: "refused", reason: "notJoint" });
    cluster.run();
    assert.deepEqual(ids(cluster.raft(1).configuration.voters), [1]);
  });

  test("a renamed member keeps its id and its role", () => {
    const cluster = new Cluster([1, 2]);
    cluster.elect(1);
    const update = { kind: "update", member: { replicaId: 2, name: "other" } } as const;
    cluster
      .raft(1)
      .proposeConfiguration({ version: 2, transition: "auto", operations: [update] }, 4);
    cluster.run();
    assert.deepEqual(cluster.raft(2).configuration.voters[1], { replicaId: 2, name: "other" });
  });
});

describe("joint consensus (thesis 4.3)", () => {
  test("several changes at once pass through both majorities, and end by themselves", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(1);
    for (const id of [4, 5]) cluster.add(id);
    cluster.change(1, "v4", "v5", "r2");
    assert.deepEqual(ids(cluster.raft(1).configuration.voters), [1, 3, 4, 5]);
    assert.deepEqual(cluster.raft(1).configuration.votersOutgoing, []);
    assert.equal(cluster.eventsOf(1, "leavingJointConfiguration").length, 1);
  });

  test("D10: neither half alone commits or elects", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(1);
    for (const id of [4, 5]) cluster.add(id);
    const explicit = { ...change("v4", "v5", "r2", "r3"), transition: "explicit" } as const;
    cluster.raft(1).proposeConfiguration(explicit, 16);
    cluster.run();
    assert.deepEqual(ids(cluster.raft(1).configuration.votersOutgoing), [1, 2, 3]);
    const commit = cluster.raft(1).commitIndex;
    cluster.isolate(2, 3);
    cluster.propose(1, "new half");
    assert.equal(cluster.raft(1).commitIndex, commit);
    cluster.lose = ({ from, to }) => from > 3 || to > 3;
    cluster.tick(1);
    cluster.run();
    cluster.propose(1, "old half");
    assert.equal(cluster.raft(1).commitIndex, commit + 1, "only what the new half got before");
    cluster.raft(2).campaign();
    cluster.run();
    assert.notEqual(cluster.raft(2).role, "leader", "the old half alone does not elect");
    cluster.heal();
    cluster.pass(60);
    cluster.propose(cluster.leader, "both");
    assert.ok(cluster.appliedBy(4).some((text) => text.endsWith(":both")));
    cluster.change(cluster.leader);
    assert.deepEqual(ids(cluster.raft(4).configuration.voters), [1, 4, 5]);
  });

  test("D10: the leader falls in between, and the next one ends it", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(1);
    cluster.add(4);
    cluster.raft(1).proposeConfiguration(change("v4", "r3"), 8);
    // It is lost as soon as it has applied the change.
    for (let at = 0; at < 50 && cluster.raft(1).configuration.votersOutgoing.length === 0; at++) {
      for (const id of [1, 2, 3, 4]) cluster.work(id);
      for (const message of cluster.takeOut(() => true)) cluster.deliver(message);
    }
    cluster.crash(1);
    cluster.messages = [];
    cluster.pass(100);
    assert.notEqual(cluster.leader, 0);
    assert.deepEqual(ids(cluster.raft(cluster.leader).configuration.voters), [1, 2, 4]);
    assert.deepEqual(cluster.raft(cluster.leader).configuration.votersOutgoing, []);
  });

  test("D9: a voter that becomes a learner votes in the old half until that ends", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(1);
    const explicit = { ...change("l3"), transition: "explicit" } as const;
    cluster.raft(1).proposeConfiguration(explicit, 4);
    cluster.run();
    assert.deepEqual(ids(cluster.raft(3).configuration.learnersNext), [3]);
    cluster.elect(3);
    cluster.change(3);
    assert.deepEqual(ids(cluster.raft(1).configuration.learners), [3]);
  });

  test("while joint, only its end may be proposed", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(1);
    cluster.raft(1).proposeConfiguration({ ...change("l3"), transition: "explicit" }, 4);
    cluster.run();
    const result = cluster.raft(1).proposeConfiguration(change("v4"), 4);
    assert.deepEqual(result, { kind: "refused", reason: "alreadyJoint" });
  });

  test("a transfer under way does not lose the end of a joint configuration", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(1);
    cluster.add(4);
    cluster.raft(1).proposeConfiguration(change("v4", "r3"), 8);
    cluster.drop("timeoutNow");
    cluster.raft(1).transferLeadership(2);
    cluster.run();
    assert.notDeepEqual(cluster.raft(1).configuration.votersOutgoing, []);
    cluster.heal();
    cluster.pass(12);
    cluster.propose(1, "a");
    cluster.run();
    assert.deepEqual(cluster.raft(1).configuration.votersOutgoing, []);
  });
});

describe("campaigns and changes", () => {
  test("D12: who has not applied a committed change does not campaign", () => {
    const cluster = new Cluster([1, 2, 3], { asynchronousStorage: true });
    cluster.elect(1);
    cluster.raft(1).proposeConfiguration(change("r3"), 4);
    for (let at = 0; at < 50 && cluster.raft(2).commitIndex < 2; at++) {
      for (const id of [1, 2, 3]) cluster.work(id);
      for (const id of [1, 2, 3]) {
        while (cluster.seat(id).appends.length > 0) cluster.store(id);
      }
      for (const message of cluster.takeOut(() => true)) cluster.deliver(message);
    }
    cluster.raft(2).campaign();
    assert.equal(cluster.raft(2).role, "follower");
    assert.deepEqual(cluster.eventsOf(2, "cannotCampaign").at(-1)?.reason, "unappliedChange");
  });

  test("C9: a learner, or whoever was removed, ignores the call to lead", () => {
    const cluster = new Cluster([1, 2]);
    cluster.add(3, { ...votersOf(1, 2), learners: [{ replicaId: 3, name: "r3" }] });
    cluster.add(4, votersOf(1, 2));
    for (const to of [3, 4]) {
      cluster.deliver({ kind: "timeoutNow", from: 1, to, term: 1 });
      assert.equal(cluster.raft(to).role, "follower");
    }
  });
});
