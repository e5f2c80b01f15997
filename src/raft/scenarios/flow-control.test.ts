/** What may be on its way, uncommitted, unapplied, or not in memory. Scenarios B21, B22. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Cluster } from "../testing/cluster.ts";

describe("flow control", () => {
  const bytes = (count: number) => ({ payload: "x".repeat(count), sizeBytes: count });

  test("a message holds at least one entry, and no more than fit", () => {
    const cluster = new Cluster([1, 2, 3], { messageBytesMax: 10 });
    cluster.elect(1);
    cluster.isolate(2, 3);
    for (const size of [4, 4, 4, 30, 1]) cluster.raft(1).propose([bytes(size)]);
    cluster.run();
    cluster.heal();
    cluster.raft(1).reportUnreachable(2);
    const sizes: number[] = [];
    cluster.lose = (message) => {
      if (message.kind === "appendEntries" && message.to === 2) {
        sizes.push(message.entries.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
      }
      return false;
    };
    cluster.tick(1);
    cluster.run();
    assert.deepEqual(
      sizes.filter((size) => size > 0),
      [8, 4, 30, 1],
    );
    assert.deepEqual(cluster.log(2), cluster.log(1));
  });

  test("no more messages than allowed are unanswered, and answers make room", () => {
    const cluster = new Cluster([1, 2, 3], { inflightMessagesMax: 3 });
    cluster.elect(1);
    cluster.drop("appendEntriesResponse");
    cluster.propose(1, "a", "b", "c", "d", "e");
    const progress = cluster.raft(1).progress.get(2);
    assert.deepEqual([progress?.inflights.count, progress?.paused], [3, true]);
    assert.equal(cluster.raft(2).lastIndex, 4);
    cluster.heal();
    cluster.tick(1);
    cluster.run();
    assert.equal(cluster.raft(2).lastIndex, 6);
    assert.equal(progress?.inflights.count, 0);
  });

  test("nor more bytes", () => {
    const limits = { messageBytesMax: 10, inflightBytesMax: 20 };
    const cluster = new Cluster([1, 2, 3], limits);
    cluster.elect(1);
    cluster.drop("appendEntriesResponse");
    for (let at = 0; at < 5; at++) cluster.raft(1).propose([bytes(10)]);
    cluster.run();
    assert.equal(cluster.raft(1).progress.get(2)?.inflights.bytes, 20);
    assert.equal(cluster.raft(2).lastIndex, 3);
  });

  test("B21, B22: whatever was in flight when a link broke, the window ends empty", () => {
    const cluster = new Cluster([1, 2, 3], { inflightMessagesMax: 2 });
    cluster.elect(1);
    for (let round = 0; round < 5; round++) {
      cluster.isolate(2);
      cluster.propose(1, "a", "b", "c");
      cluster.raft(1).reportUnreachable(2);
      assert.equal(cluster.raft(1).progress.get(2)?.state, "probe");
      cluster.heal();
      cluster.tick(1);
      cluster.run();
      const progress = cluster.raft(1).progress.get(2);
      assert.deepEqual([progress?.inflights.count, progress?.inflights.bytes], [0, 0]);
      assert.deepEqual(
        [progress?.match, progress?.state],
        [cluster.raft(1).lastIndex, "replicate"],
      );
    }
  });

  test("uncommitted bytes are limited; what is committed and applied makes room", () => {
    const cluster = new Cluster([1, 2, 3], { uncommittedBytesMax: 10 });
    cluster.elect(1);
    cluster.isolate(1);
    assert.equal(cluster.raft(1).propose([bytes(50)]).kind, "appended", "one always fits");
    const result = cluster.raft(1).propose([bytes(1)]);
    assert.deepEqual(result, { kind: "refused", reason: "uncommittedLimit" });
    cluster.run();
    cluster.heal();
    cluster.tick(1);
    cluster.run();
    assert.equal(cluster.raft(1).propose([bytes(1)]).kind, "appended");
    assert.equal(cluster.raft(1).propose([bytes(9)]).kind, "appended");
    assert.equal(cluster.raft(1).propose([bytes(1)]).kind, "refused");
  });

  test("committed entries are handed out in portions", () => {
    const cluster = new Cluster([1], { committedBytesMax: 2 });
    cluster.elect(1);
    cluster
      .raft(1)
      .propose(["a", "b", "c", "d", "e"].map((payload) => ({ payload, sizeBytes: 1 })));
    cluster.work(1);
    cluster.work(1);
    assert.deepEqual(cluster.appliedBy(1), ["1:", "1:a", "1:b"]);
    cluster.run();
    assert.deepEqual(cluster.appliedBy(1), ["1:", "1:a", "1:b", "1:c", "1:d", "1:e"]);
  });

  test("the same with storage that applies later", () => {
    const cluster = new Cluster([1], { committedBytesMax: 2, asynchronousStorage: true });
    cluster.elect(1);
    cluster.raft(1).propose(["a", "b", "c"].map((payload) => ({ payload, sizeBytes: 1 })));
    cluster.work(1);
    while (cluster.store(1));
    for (let at = 0; at < 3; at++) cluster.work(1);
    assert.equal(cluster.seat(1).applies.length, 1, "no more before these are applied");
    cluster.run();
    assert.deepEqual(cluster.appliedBy(1), ["1:", "1:a", "1:b", "1:c"]);
  });

  test("entries that storage must fetch are sent and applied when it has them", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(1);
    cluster.isolate(3);
    cluster.propose(1, "a", "b");
    const { storage } = cluster.seat(1);
    const fetch = storage.entries.bind(storage);
    let isCold = true;
    storage.entries = (low, high, bytesMax) =>
      isCold ? "unavailable" : fetch(low, high, bytesMax);
    cluster.heal();
    cluster.tick(1);
    cluster.run();
    assert.equal(cluster.raft(3).lastIndex, 1);
    isCold = false;
    cluster.raft(1).reportEntriesAvailable();
    cluster.run();
    assert.deepEqual(cluster.log(3), ["1:", "1:a", "1:b"]);

    isCold = true;
    cluster.crash(1);
    const raft = cluster.restart(1);
    const cold = cluster.seat(1).storage;
    const fetchAgain = cold.entries.bind(cold);
    cold.entries = (low, high, bytesMax) =>
      isCold ? "unavailable" : fetchAgain(low, high, bytesMax);
    cluster.work(1);
    assert.equal(raft.hasReady(), false, "nothing to do until they are there");
    raft.campaign();
    assert.deepEqual(cluster.eventsOf(1, "cannotCampaign").at(-1)?.reason, "unappliedChange");
    isCold = false;
    raft.reportEntriesAvailable();
    cluster.run();
    assert.equal(raft.appliedIndex, 3);
  });
});
