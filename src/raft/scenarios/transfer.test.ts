/** Handing leadership on: thesis 3.10. Scenarios A3, C7, C8. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Cluster } from "../testing/cluster.ts";

const proposal = [{ payload: "a", sizeBytes: 1 }];

describe("leadership transfer", () => {
  test("C7: a target that is caught up leads at once, past pre-vote and leases", () => {
    const cluster = new Cluster([1, 2, 3], { preVote: true, checkQuorum: true });
    cluster.elect(1);
    cluster.raft(1).transferLeadership(2);
    cluster.run();
    assert.deepEqual([cluster.leader, cluster.raft(2).term], [2, 2]);
    assert.equal(cluster.eventsOf(2, "becamePreCandidate").length, 0);
  });

  test("one that lags is caught up first", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(1);
    cluster.isolate(2);
    cluster.propose(1, "a", "b");
    cluster.heal();
    cluster.raft(1).transferLeadership(2);
    cluster.pass(2);
    assert.equal(cluster.leader, 2);
    assert.ok(cluster.appliedBy(2).includes("1:b"));
  });

  test("a follower hands the wish on", () => {
    const cluster = new Cluster([1, 2, 3]);
    assert.equal(cluster.raft(3).transferLeadership(2).kind, "refused");
    cluster.elect(1);
    cluster.raft(3).transferLeadership(2);
    cluster.run();
    assert.equal(cluster.leader, 2);
    cluster.raft(1).campaign();
    assert.equal(cluster.raft(1).transferLeadership(2).kind, "refused", "a candidate knows nobody");
  });

  test("C8: proposals wait for its end, and a target that never leads ends it in time", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(1);
    cluster.drop("timeoutNow");
    cluster.raft(1).transferLeadership(2);
    assert.equal(cluster.raft(1).transferTarget, 2);
    const refused = { kind: "refused", reason: "transferring" };
    assert.deepEqual(cluster.raft(1).propose(proposal), refused);
    cluster.pass(10);
    assert.equal(cluster.raft(1).propose(proposal).kind, "appended");
    assert.equal(cluster.eventsOf(1, "transferAborted").length, 1);
    assert.deepEqual([cluster.leader, cluster.raft(1).term], [1, 1]);
  });

  test("another target replaces the first; the same one twice changes nothing", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(1);
    cluster.isolate(1);
    cluster.raft(1).transferLeadership(2);
    cluster.raft(1).transferLeadership(2);
    assert.equal(cluster.eventsOf(1, "transferStarted").length, 1);
    cluster.raft(1).transferLeadership(3);
    assert.equal(cluster.raft(1).transferTarget, 3);
    cluster.raft(1).transferLeadership(1);
    assert.equal(cluster.raft(1).transferTarget, 0);
  });

  test("nobody who may not lead is a target; one that is removed is none any more", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(1);
    cluster.add(4);
    cluster.change(1, "l4");
    for (const target of [4, 9]) {
      const refused = { kind: "refused", reason: "notMember" };
      assert.deepEqual(cluster.raft(1).transferLeadership(target), refused);
    }
    cluster.raft(1).proposeConfiguration(
      {
        version: 1,
        transition: "auto",
        operations: [{ kind: "remove", member: { replicaId: 3, name: "r3" } }],
      },
      4,
    );
    cluster.drop("timeoutNow");
    cluster.raft(1).transferLeadership(3);
    cluster.run();
    assert.equal(cluster.raft(1).transferTarget, 0);
  });

  test("A3: whoever steps down in favour of another does not vote twice", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(1);
    cluster.raft(1).transferLeadership(2);
    cluster.run();
    const ask = { kind: "requestVote", to: 1, term: 2, lastIndex: 99, lastTerm: 9 } as const;
    cluster.deliver({ ...ask, from: 3, transfer: true });
    cluster.work(1);
    assert.deepEqual(
      cluster.messages.map((message) => "rejected" in message && message.rejected),
      [true],
    );
  });
});
