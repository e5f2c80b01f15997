/**
 * What comes late, twice or in the wrong order, from a leader, a disk or a reader. Scenarios B8, B9, E3,
 * E12, E13, F5.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";

import type { AppendEntries, Entry, InstallSnapshot } from "../index.ts";
import { Cluster, member, votersOf } from "../testing/cluster.ts";

function entry(index: number, term: number): Entry {
  return { kind: "normal", index, term, payload: `${term}/${index}`, sizeBytes: 1 };
}

/** Entries of these terms to replica 3, after the entry `previous`. */
function append(
  from: number,
  term: number,
  previous: readonly [index: number, term: number],
  terms: readonly number[],
  commit: number,
): AppendEntries {
  const [previousIndex, previousTerm] = previous;
  const entries = terms.map((each, at) => entry(previousIndex + 1 + at, each));
  const place = { previousIndex, previousTerm, entries, commit, damageId: 0, repairIndex: 0 };
  return { kind: "appendEntries", from, to: 3, term, ...place };
}

function snapshot(index: number, term: number): InstallSnapshot {
  const configuration = votersOf(1, 2, 3);
  const marker = { index, term, configuration, data: `up to ${index}` };
  return { kind: "installSnapshot", from: 1, to: 3, term, snapshot: marker };
}

describe("two leaders' catching up in one follower", () => {
  // 1 led term 2 and committed up to 4; 2 leads term 3 and has another entry at 5.
  const CATCH_UPS: readonly AppendEntries[] = [
    append(1, 2, [0, 0], [2, 2], 0),
    append(1, 2, [2, 2], [2, 2], 4),
    append(1, 2, [4, 2], [2, 2], 4),
    append(2, 3, [1, 2], [2, 2], 4),
    append(2, 3, [3, 2], [2, 3], 4),
    append(2, 3, [5, 3], [3], 6),
  ];

  test("B8: in any order, some of it twice, never cuts what is committed", () => {
    const order = fc.shuffledSubarray([...CATCH_UPS, ...CATCH_UPS], { minLength: 4 });
    fc.assert(
      fc.property(order, (messages) => {
        const cluster = new Cluster([1, 2, 3]);
        const raft = cluster.raft(3);
        let committed: (number | undefined)[] = [];
        for (const message of messages) {
          cluster.deliver(message);
          while (raft.hasReady()) cluster.work(3);
          const now = Array.from({ length: raft.commitIndex }, (_, at) => raft.termAt(at + 1));
          assert.deepEqual(now.slice(0, committed.length), committed);
          committed = now;
        }
      }),
      { numRuns: 300 },
    );
  });

  test("B9: the terms of old entries, matching or not, never become the replica's own", () => {
    const cluster = new Cluster([1, 2, 3]);
    const raft = cluster.raft(3);
    const terms = (message: AppendEntries): readonly [number, number] => {
      cluster.deliver(message);
      while (raft.hasReady()) cluster.work(3);
      return [raft.term, raft.lastIndex];
    };
    assert.deepEqual(terms(append(1, 5, [0, 0], [1, 2], 0)), [5, 2]);
    assert.deepEqual(terms(append(1, 5, [4, 2], [3], 0)), [5, 2], "it does not fit");
    assert.deepEqual(terms(append(1, 5, [2, 1], [3], 0)), [5, 2], "nor does this");
    assert.deepEqual(terms(append(1, 5, [2, 2], [3, 4], 0)), [5, 4]);
  });
});

describe("a snapshot", () => {
  test("E3: that comes while entries are being applied waits for nobody, and nothing goes back", () => {
    const cluster = new Cluster([1, 2, 3], { asynchronousStorage: true });
    const raft = cluster.raft(3);
    const seat = cluster.seat(3);
    cluster.deliver(append(1, 1, [0, 0], [1, 1, 1], 3));
    cluster.work(3);
    cluster.store(3);
    cluster.work(3);
    assert.equal(seat.applies.length, 1, "they are handed out, and not applied yet");
    cluster.deliver(snapshot(9, 1));
    cluster.work(3);
    assert.equal(cluster.store(3), true, "the snapshot is stored");
    assert.equal(raft.appliedIndex, 9);
    assert.equal(cluster.store(3), true, "and then the entries' application is told");
    assert.deepEqual([raft.appliedIndex, raft.commitIndex, raft.lastIndex], [9, 9, 9]);
    cluster.deliver(append(1, 1, [9, 1], [1], 10));
    cluster.run();
    assert.equal(raft.appliedIndex, 10);
  });

  test("E12: of a joint configuration is one: both majorities elect", () => {
    const cluster = new Cluster([1, 2, 3]);
    const configuration = {
      ...votersOf(1, 2, 3),
      votersOutgoing: [3, 4, 5].map(member),
      autoLeave: true,
    };
    const { snapshot: marker, ...envelope } = snapshot(9, 1);
    cluster.deliver({ ...envelope, snapshot: { ...marker, configuration } });
    while (cluster.raft(3).hasReady()) cluster.work(3);
    assert.deepEqual(cluster.raft(3).configuration, configuration);
    cluster.messages = [];
    cluster.raft(3).campaign();
    while (cluster.raft(3).hasReady()) cluster.work(3);
    const asked = cluster.messages.filter(({ kind }) => kind === "requestVote");
    assert.deepEqual(
      asked.map(({ to }) => to),
      [1, 2, 4, 5],
    );
    const grant = (from: number): void => {
      const { term } = cluster.raft(3);
      cluster.deliver({ kind: "requestVoteResponse", from, to: 3, term, rejected: false });
    };
    grant(1);
    assert.equal(cluster.raft(3).role, "candidate", "the new half alone is not enough");
    grant(4);
    assert.equal(cluster.raft(3).role, "leader");
  });

  test("E13: a log that begins beyond it is told of, not patched: the next append does not fit", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(1);
    cluster.isolate(3);
    cluster.propose(1, "a", "b", "c", "d");
    cluster.compact(1, 3);
    // Its leader believes that it has the first three: it has lost them, and the append has a gap.
    cluster.heal();
    const { term } = cluster.raft(1);
    cluster.deliver(append(1, term, [4, term], [term], 0));
    assert.equal(cluster.raft(3).lastIndex, 1);
    cluster.work(3);
    const refusals = cluster.messages.filter((message) => {
      return message.kind === "appendEntriesResponse" && message.rejected;
    });
    assert.equal(refusals.length, 1);
    cluster.pass(3);
    assert.equal(cluster.raft(3).lastIndex, cluster.raft(1).lastIndex);
    assert.equal(cluster.seat(3).storage.firstIndex(), 4, "by a snapshot");
  });
});

test("F5: the index of a read commits nothing at a follower whose log may differ", () => {
  const cluster = new Cluster([1, 2, 3]);
  cluster.elect(1);
  const raft = cluster.raft(3);
  cluster.isolate(3);
  cluster.propose(1, "a", "b");
  cluster.heal();
  const { commitIndex, term } = raft;
  const asked = raft.readIndex();
  assert.ok(asked.kind === "started");
  const { readId } = asked;
  cluster.deliver({ kind: "readIndexResponse", from: 1, to: 3, term, readId, index: 3 });
  assert.equal(raft.commitIndex, commitIndex);
  cluster.work(3);
  assert.deepEqual(cluster.seat(3).reads, [{ readId, index: 3 }], "to be read when it is applied");
});
