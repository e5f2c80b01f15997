/** The log: paper 5.3, 5.4.2. Scenarios A9, A10, B1-B7, B11, B13, B23, B24, B26. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import type { AppendEntries, Entry } from "../index.ts";
import { Cluster } from "../testing/cluster.ts";

function entry(index: number, term: number): Entry {
  return { kind: "normal", index, term, payload: `${term}/${index}`, sizeBytes: 1 };
}

function append(
  from: number,
  to: number,
  term: number,
  previous: readonly [index: number, term: number],
  terms: readonly number[],
  commit = 0,
): AppendEntries {
  const [previousIndex, previousTerm] = previous;
  const entries = terms.map((each, at) => entry(previousIndex + 1 + at, each));
  return {
    kind: "appendEntries",
    from,
    to,
    term,
    previousIndex,
    previousTerm,
    entries,
    commit,
    damageId: 0,
    repairIndex: 0,
  };
}

/** A cluster whose replica `id` holds entries of these terms, durable, and nothing committed. */
function logOf(cluster: Cluster, id: number, terms: readonly number[], vote = 0): void {
  const { storage } = cluster.seat(id);
  storage.append(terms.map((term, at) => entry(at + 1, term)));
  storage.hardState = { term: terms.at(-1) ?? 0, vote, commit: 0 };
  cluster.restart(id);
}

const answersOf = (cluster: Cluster) =>
  cluster.messages.flatMap((message) =>
    message.kind === "appendEntriesResponse" ? [message] : [],
  );

describe("log replication (5.3)", () => {
  test("a leader appends, replicates, and tells of the commit; everybody applies in order", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(1);
    cluster.propose(1, "a", "b");
    for (const id of [1, 2, 3]) assert.deepEqual(cluster.appliedBy(id), ["1:", "1:a", "1:b"]);
  });

  test("an entry is committed once a majority holds it durably", () => {
    for (const [size, others, committed] of [
      [3, 0, false],
      [3, 1, true],
      [5, 1, false],
      [5, 2, true],
    ] as const) {
      const ids = Array.from({ length: size }, (_, at) => at + 1);
      const cluster = new Cluster(ids);
      cluster.elect(1);
      cluster.lose = ({ kind, from }) => kind === "appendEntriesResponse" && from > others + 1;
      cluster.propose(1, "a");
      assert.equal(cluster.raft(1).commitIndex === 2, committed, `${others} others of ${size}`);
    }
  });

  test("A9, A10: a leader's own copy counts only when it is durable", () => {
    for (const ids of [[1], [1, 2, 3]]) {
      const cluster = new Cluster(ids, { asynchronousStorage: true });
      cluster.elect(1);
      cluster.raft(1).propose([{ payload: "a", sizeBytes: 1 }]);
      cluster.work(1);
      for (const message of cluster.takeOut(({ to }) => to === 2)) cluster.deliver(message);
      if (ids.length > 1) {
        cluster.work(2);
        while (cluster.store(2));
        for (const message of cluster.takeOut(({ from }) => from === 2)) cluster.deliver(message);
      }
      assert.equal(cluster.raft(1).commitIndex, 1, "one durable copy of three, or none of one");
      cluster.store(1);
      assert.equal(cluster.raft(1).commitIndex, 2);
    }
  });

  test("with storage that answers later, only what is durable is applied", () => {
    const cluster = new Cluster([1, 2, 3], { asynchronousStorage: true });
    cluster.deliver(append(1, 2, 1, [0, 0], [1, 1], 2));
    cluster.work(2);
    assert.equal(cluster.raft(2).commitIndex, 2);
    assert.equal(cluster.seat(2).applies.length, 0);
    cluster.store(2);
    cluster.work(2);
    assert.equal(cluster.seat(2).applies.length, 1);
  });

  test("an acknowledgement leaves only when the entries are durable", () => {
    const cluster = new Cluster([1, 2, 3], { asynchronousStorage: true });
    cluster.deliver(append(1, 2, 1, [0, 0], [1, 1]));
    cluster.work(2);
    assert.deepEqual(answersOf(cluster), []);
    cluster.store(2);
    assert.deepEqual(
      answersOf(cluster).map(({ index }) => index),
      [2],
    );
  });

  test("a follower refuses entries before which its log does not fit", () => {
    for (const previous of [
      [3, 2],
      [2, 1],
    ] as const) {
      const cluster = new Cluster([1, 2, 3]);
      logOf(cluster, 2, [1, 2]);
      cluster.deliver(append(1, 2, 3, previous, [3]));
      cluster.work(2);
      assert.deepEqual(
        answersOf(cluster).map(({ rejected }) => rejected),
        [true],
      );
      assert.equal(cluster.raft(2).lastIndex, 2);
    }
  });

  test("figure 7: whatever the followers hold, they end with the leader's log", () => {
    const leader = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
    const followers = [
      [1, 1, 1, 4, 4, 5, 5, 6, 6],
      [1, 1, 1, 4],
      [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
      [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
      [1, 1, 1, 4, 4, 4, 4],
      [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
    ];
    for (const follower of followers) {
      const cluster = new Cluster([1, 2, 3]);
      logOf(cluster, 1, leader);
      logOf(cluster, 3, leader);
      logOf(cluster, 2, follower);
      cluster.seat(1).storage.hardState = { term: 7, vote: 0, commit: 0 };
      cluster.restart(1);
      cluster.elect(1);
      assert.deepEqual(cluster.log(2), cluster.log(1));
      assert.deepEqual(cluster.appliedBy(2), cluster.appliedBy(1));
    }
  });

  test("conflicts are skipped term by term, not entry by entry", () => {
    const cluster = new Cluster([1, 2, 3]);
    logOf(cluster, 1, [1, ...Array<number>(50).fill(3)]);
    logOf(cluster, 3, [1, ...Array<number>(50).fill(3)]);
    logOf(cluster, 2, [1, ...Array<number>(40).fill(2)]);
    let refusals = 0;
    cluster.lose = (message) => {
      if (message.kind === "appendEntriesResponse" && message.rejected) refusals += 1;
      return false;
    };
    cluster.elect(1);
    assert.deepEqual(cluster.log(2), cluster.log(1));
    assert.ok(refusals <= 3, `${refusals} refusals`);
  });

  test("the same from the follower's side: its hint skips its own later terms", () => {
    const cluster = new Cluster([1, 2, 3]);
    logOf(cluster, 1, [1, 3, 3, 3, 3, 3, 3, 3, 7]);
    logOf(cluster, 3, [1, 3, 3, 3, 3, 3, 3, 3, 7]);
    logOf(cluster, 2, [1, 3, 3, 4, 4, 5, 5, 5, 6]);
    cluster.deliver(append(1, 2, 8, [8, 3], [7]));
    cluster.work(2);
    const [answer] = answersOf(cluster);
    assert.deepEqual([answer?.hintIndex, answer?.hintTerm], [3, 3]);
  });

  test("B2, B3: an old append takes nothing away", () => {
    const cluster = new Cluster([1, 2, 3]);
    logOf(cluster, 2, [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
    cluster.deliver(append(1, 2, 1, [2, 1], [1, 1, 1]));
    cluster.deliver(append(1, 2, 1, [0, 0], []));
    assert.equal(cluster.raft(2).lastIndex, 10);
    cluster.work(2);
    assert.deepEqual(cluster.eventsOf(2, "logTruncated"), []);
  });

  test("B4: an acknowledgement speaks of its append, not of a suffix nobody has checked", () => {
    const cluster = new Cluster([1, 2, 3]);
    logOf(cluster, 2, [1, 1, 1, 2, 2, 2]);
    cluster.deliver(append(1, 2, 3, [1, 1], [1], 9));
    cluster.work(2);
    assert.deepEqual(
      answersOf(cluster).map(({ index }) => index),
      [2],
    );
    assert.equal(cluster.raft(2).commitIndex, 2, "nor is more committed than that");
  });

  test("only what contradicts is cut", () => {
    const cluster = new Cluster([1, 2, 3]);
    logOf(cluster, 2, [1, 1, 2, 2]);
    cluster.deliver(append(1, 2, 3, [1, 1], [1, 3]));
    assert.deepEqual(cluster.eventsOf(2, "logTruncated"), [{ kind: "logTruncated", fromIndex: 3 }]);
    cluster.work(2);
    assert.deepEqual(cluster.log(2), ["1:1/1", "1:1/2", "3:3/3"]);
  });

  test("B5: a stale refusal moves nothing back below what is matched", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(1);
    cluster.propose(1, "a", "b", "c");
    const stale = {
      kind: "appendEntriesResponse",
      from: 2,
      to: 1,
      term: 1,
      index: 2,
      rejected: true,
      hintIndex: 0,
      hintTerm: 0,
      damageId: 0,
    } as const;
    cluster.deliver(stale);
    const progress = cluster.raft(1).progress.get(2);
    assert.deepEqual([progress?.match, progress?.next, progress?.state], [4, 5, "replicate"]);
    // One that is not stale sends it back to probing, right after what is matched.
    cluster.deliver({ ...stale, index: 9, hintIndex: 50, hintTerm: 1 });
    assert.deepEqual([progress?.match, progress?.next, progress?.state], [4, 5, "probe"]);
  });

  test("B6, B13: acknowledgements of an older term do not count", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(1);
    cluster.propose(1, "a");
    cluster.drop("appendEntries");
    cluster.restart(1);
    cluster.elect(1);
    assert.equal(cluster.raft(1).term, 2);
    for (const from of [2, 3]) {
      cluster.deliver({
        kind: "appendEntriesResponse",
        from,
        to: 1,
        term: 1,
        index: 3,
        rejected: false,
        hintIndex: 0,
        hintTerm: 0,
        damageId: 0,
      });
      assert.equal(cluster.raft(1).progress.get(from)?.match, 0);
    }
    assert.equal(cluster.raft(1).commitIndex, 2);
  });

  test("an acknowledgement beyond the leader's log is refused", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(1);
    const { kind, reason } = {
      reason: undefined,
      ...cluster.raft(1).step({
        kind: "appendEntriesResponse",
        from: 2,
        to: 1,
        term: 1,
        index: 99,
        rejected: false,
        hintIndex: 0,
        hintTerm: 0,
        damageId: 0,
      }),
    };
    assert.deepEqual([kind, reason], ["refused", "brokenChain"]);
  });

  test("B11: an acknowledgement of storage counts only in the term in which the task began", () => {
    const cluster = new Cluster([1, 2, 3], { asynchronousStorage: true });
    cluster.deliver(append(1, 3, 1, [0, 0], [1, 1]));
    cluster.work(3);
    cluster.deliver(append(2, 3, 2, [0, 0], [2]));
    cluster.work(3);
    cluster.deliver(append(1, 3, 3, [0, 0], [1, 1]));
    cluster.work(3);
    cluster.store(3);
    cluster.store(3);
    assert.deepEqual(cluster.log(3), ["1:1/1", "1:1/2"], "storage holds the second task's entry");
    cluster.store(3);
    assert.deepEqual(cluster.log(3), ["1:1/1", "1:1/2"]);
    assert.equal(cluster.seat(3).storage.lastIndex(), 2);
  });

  test("B23: a commit that nobody heard of is told by the next heartbeat", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(1);
    cluster.lose = (message) => message.kind === "appendEntries" && message.entries.length === 0;
    cluster.propose(1, "a");
    assert.equal(cluster.raft(2).commitIndex, 1);
    cluster.tick(1);
    cluster.run();
    assert.equal(cluster.raft(2).commitIndex, 2);
  });

  test("a heartbeat never tells of more than the follower matches", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(1);
    cluster.isolate(3);
    cluster.propose(1, "a", "b");
    cluster.heal();
    cluster.tick(1);
    cluster.work(1);
    const commits = cluster.messages.map((message) =>
      message.kind === "heartbeat" ? [message.to, message.commit] : [],
    );
    assert.deepEqual(commits, [
      [2, 3],
      [3, 1],
    ]);
  });

  test("B26: a leader that steps down keeps its log; only a contradiction cuts it", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(1);
    cluster.isolate(1);
    cluster.propose(1, "a");
    cluster.raft(1).step({ kind: "heartbeat", from: 2, to: 1, term: 5, commit: 0, readRound: 0 });
    assert.deepEqual(cluster.log(1), ["1:", "1:a"]);
  });

  test("B24: a proposal says at which index and term it stands; others are not proposed", () => {
    const cluster = new Cluster([1, 2, 3]);
    const proposal = [{ payload: "a", sizeBytes: 1 }];
    assert.deepEqual(cluster.raft(1).propose(proposal), { kind: "refused", reason: "noLeader" });
    cluster.elect(1);
    assert.deepEqual(cluster.raft(1).propose(proposal), { kind: "appended", index: 2, term: 1 });
    assert.deepEqual(cluster.raft(2).propose(proposal), { kind: "forwarded", to: 1 });
    cluster.run();
    assert.deepEqual(cluster.appliedBy(3), ["1:", "1:a", "1:a"]);
    cluster.restart(2, { forwardProposals: false });
    cluster.tick(1);
    cluster.run();
    assert.deepEqual(cluster.raft(2).propose(proposal), {
      kind: "refused",
      reason: "forwardingDisabled",
    });
    cluster.raft(3).campaign();
    assert.deepEqual(cluster.raft(3).propose(proposal), { kind: "refused", reason: "noLeader" });
  });
});

describe("committing entries of earlier terms (5.4.2)", () => {
  describe("B1, figure 8: counting copies commits only what is of the leader's own term", () => {
    /** (c) S1 leads again, in term 4; its entry of term 2 is on S1, S2 and S3. S5 has one of term 3. */
    function figure8(): Cluster {
      const cluster = new Cluster([1, 2, 3, 4, 5]);
      for (const [id, terms] of [
        [1, [1, 2]],
        [2, [1, 2]],
        [3, [1]],
        [4, [1]],
        [5, [1, 3]],
      ] as const) {
        logOf(cluster, id, terms);
        cluster.seat(id).storage.hardState = { term: 3, vote: 5, commit: 0 };
        cluster.restart(id);
      }
      cluster.lose = ({ kind }) => kind === "appendEntries";
      cluster.elect(1);
      assert.equal(cluster.raft(1).term, 4);
      cluster.deliver(append(1, 3, 4, [1, 1], [2]));
      cluster.run();
      return cluster;
    }

    const acknowledge = (cluster: Cluster, index: number): void => {
      for (const from of [2, 3]) {
        cluster.deliver({
          kind: "appendEntriesResponse",
          from,
          to: 1,
          term: 4,
          index,
          rejected: false,
          hintIndex: 0,
          hintTerm: 0,
          damageId: 0,
        });
      }
    };

    test("(d) three of five copies, not committed: S5 may still replace it", () => {
      const cluster = figure8();
      acknowledge(cluster, 2);
      assert.equal(cluster.raft(1).commitIndex, 0);
      cluster.run();
      cluster.crash(1);
      cluster.heal();
      cluster.elect(5);
      assert.deepEqual(cluster.appliedBy(2), ["1:1/1", "3:3/2", "5:"]);
    });

    test("(e) with an entry of its own term behind it, committed: S5 cannot win", () => {
      const cluster = figure8();
      cluster.heal();
      cluster.isolate(4, 5);
      cluster.tick(1);
      cluster.run();
      assert.equal(cluster.raft(1).commitIndex, 3);
      cluster.crash(1);
      cluster.heal();
      cluster.raft(5).campaign();
      cluster.run();
      assert.notEqual(cluster.raft(5).role, "leader");
    });
  });

  test("a leader's first entry commits what is before it", () => {
    const cluster = new Cluster([1, 2, 3]);
    logOf(cluster, 1, [1, 1]);
    logOf(cluster, 2, [1, 1]);
    assert.equal(cluster.raft(1).commitIndex, 0);
    cluster.elect(1);
    assert.deepEqual(cluster.appliedBy(3), ["1:1/1", "1:1/2", "2:"]);
  });

  test("B7: who acknowledged catches votes by what it acknowledged", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(1);
    cluster.isolate(3);
    cluster.propose(1, "a");
    cluster.heal();
    cluster.lose = ({ from, to }) => from === 1 || to === 1;
    cluster.raft(3).campaign();
    cluster.run();
    assert.equal(cluster.leader === 3, false, "its log lacks what is committed");
  });
});
