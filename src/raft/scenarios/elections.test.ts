/** Leaders, votes and terms: paper 5.1, 5.2, 5.4.1; thesis 4.2.3, 9.6. Scenarios A1-A9, C1-C6, C12, B27. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Cluster, votersOf } from "../testing/cluster.ts";

describe("terms (5.1)", () => {
  for (const role of ["follower", "candidate", "leader"] as const) {
    test(`a ${role} that hears of a newer term becomes follower in it`, () => {
      const cluster = new Cluster([1, 2, 3]);
      if (role === "candidate") cluster.raft(1).campaign();
      if (role === "leader") cluster.elect(1);
      const term = 7;
      const commit = 0;
      cluster.raft(1).step({ kind: "heartbeat", from: 2, to: 1, term, commit, readRound: 0 });
      const { role: now, leader, term: heard } = cluster.raft(1);
      assert.deepEqual([now, leader, heard], ["follower", 2, 7]);
    });
  }

  test("a request with an older term is not followed", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(1);
    cluster.elect(2);
    const before = cluster.raft(3).leader;
    cluster.deliver({ kind: "heartbeat", from: 1, to: 3, term: 1, commit: 0, readRound: 0 });
    assert.equal(cluster.raft(3).leader, before);
  });
});

describe("elections (5.2)", () => {
  test("a replica starts as follower", () => {
    assert.equal(new Cluster([1, 2, 3]).raft(1).role, "follower");
  });

  test("a follower that hears no leader campaigns, votes for itself, asks all others", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.tick(1, 20);
    cluster.work(1);
    assert.deepEqual([cluster.raft(1).term, cluster.raft(1).vote], [1, 1]);
    assert.equal(cluster.raft(1).role, "candidate");
    assert.deepEqual(
      cluster.messages.map(({ kind, to }) => [kind, to]),
      [
        ["requestVote", 2],
        ["requestVote", 3],
      ],
    );
  });

  test("a leader sends heartbeats as often as it is told", () => {
    const cluster = new Cluster([1, 2, 3], { heartbeatTicks: 2 });
    cluster.elect(1);
    cluster.tick(1, 4);
    cluster.work(1);
    const to = cluster.messages.filter(({ kind }) => kind === "heartbeat").map((sent) => sent.to);
    assert.deepEqual(to, [2, 3, 2, 3]);
  });

  test("timeouts are drawn from one to two election timeouts, and differ", () => {
    const seen = new Set<number>();
    const cluster = new Cluster([1, 2, 3]);
    for (let round = 0; round < 200; round++) {
      cluster.raft(2).step({
        kind: "heartbeat",
        from: 1,
        to: 2,
        term: round + 1,
        commit: 0,
        readRound: 0,
      });
      let ticks = 0;
      for (; cluster.raft(2).role === "follower" && ticks < 30; ticks++) cluster.tick(2);
      seen.add(ticks);
      cluster.messages = [];
    }
    assert.deepEqual(
      [...seen].sort((a, b) => a - b),
      [10, 11, 12, 13, 14, 15, 16, 17, 18, 19],
    );
  });

  for (const [voters, granted, wins] of [
    [1, 0, true],
    [2, 0, false],
    [2, 1, true],
    [3, 0, false],
    [3, 1, true],
    [4, 1, false],
    [4, 2, true],
    [5, 1, false],
    [5, 2, true],
    [6, 2, false],
    [6, 3, true],
  ] as const) {
    test(`B25: of ${voters} voters ${granted} others' votes ${wins ? "win" : "do not win"}`, () => {
      const ids = Array.from({ length: voters }, (_, at) => at + 1);
      const cluster = new Cluster(ids);
      cluster.lose = ({ kind, to }) => kind === "requestVote" && to > granted + 1;
      cluster.raft(1).campaign();
      cluster.run();
      assert.equal(cluster.raft(1).role === "leader", wins);
    });
  }

  test("a candidate that most refuse becomes follower again", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.raft(1).campaign();
    cluster.work(1);
    cluster.messages = [];
    for (const from of [2, 3]) {
      cluster.deliver({ kind: "requestVoteResponse", from, to: 1, term: 1, rejected: true });
    }
    assert.equal(cluster.raft(1).role, "follower");
  });

  test("a candidate that hears a leader of its term follows it (C10: also by a snapshot)", () => {
    for (const kind of ["append", "heartbeat", "snapshot"]) {
      const cluster = new Cluster([1, 2, 3]);
      cluster.raft(1).campaign();
      const head = { from: 2, to: 1, term: 1 } as const;
      if (kind === "append") {
        cluster.deliver({
          kind: "appendEntries",
          ...head,
          previousIndex: 0,
          previousTerm: 0,
          entries: [],
          commit: 0,
          damageId: 0,
          repairIndex: 0,
        });
      } else if (kind === "heartbeat") {
        cluster.deliver({ kind: "heartbeat", ...head, commit: 0, readRound: 0 });
      } else {
        const configuration = votersOf(1, 2, 3);
        const snapshot = { index: 5, term: 1, configuration, data: "" };
        cluster.deliver({ kind: "installSnapshot", ...head, snapshot });
        assert.equal(cluster.raft(1).lastIndex, 5);
      }
      assert.deepEqual([cluster.raft(1).role, cluster.raft(1).leader], ["follower", 2], kind);
    }
  });

  test("a split vote ends in another term", () => {
    const cluster = new Cluster([1, 2]);
    cluster.raft(1).campaign();
    cluster.raft(2).campaign();
    cluster.run();
    assert.equal(cluster.leader, 0);
    cluster.pass(40);
    assert.notEqual(cluster.leader, 0);
  });
});

describe("one vote a term (5.2, thesis 3.8)", () => {
  const ask = (from: number, term: number, lastIndex = 0, lastTerm = 0) =>
    ({ kind: "requestVote", from, to: 3, term, lastIndex, lastTerm, transfer: false }) as const;
  const answers = (cluster: Cluster): [number, boolean][] =>
    cluster.messages.flatMap((message) =>
      message.kind === "requestVoteResponse" ? [[message.to, message.rejected]] : [],
    );

  test("A1: first come, first served; the same candidate is answered again", () => {
    const cluster = new Cluster([1, 2, 3]);
    for (const from of [1, 2, 1]) cluster.deliver(ask(from, 5));
    cluster.work(3);
    assert.deepEqual(answers(cluster), [
      [1, false],
      [2, true],
      [1, false],
    ]);
  });

  test("A1, A2: the answer leaves with the vote's durability, and the vote outlives a crash", () => {
    const cluster = new Cluster([1, 2, 3], { asynchronousStorage: true });
    cluster.deliver(ask(1, 5));
    cluster.work(3);
    assert.deepEqual(answers(cluster), [], "nothing leaves before the vote is durable");
    cluster.crash(3);
    cluster.restart(3);
    cluster.deliver(ask(2, 5));
    cluster.work(3);
    cluster.store(3);
    assert.deepEqual(answers(cluster), [[2, false]], "the vote that nobody heard of is void");
    cluster.restart(3);
    cluster.deliver(ask(1, 5));
    cluster.work(3);
    cluster.store(3);
    assert.deepEqual(answers(cluster).at(-1), [1, true], "the one that was told is not");
    assert.deepEqual(cluster.seat(3).storage.hardState, { term: 5, vote: 2, commit: 0 });
  });

  test("A3: stepping down within a term keeps the vote", () => {
    const cluster = new Cluster([1, 2, 3], { checkQuorum: true });
    cluster.elect(1);
    cluster.isolate(1);
    cluster.tick(1, 20);
    assert.equal(cluster.raft(1).role, "follower");
    assert.deepEqual([cluster.raft(1).term, cluster.raft(1).vote], [1, 1]);
  });

  test("A4: a granted pre-vote is no vote", () => {
    const cluster = new Cluster([1, 2, 3], { preVote: true });
    cluster.raft(1).campaign();
    cluster.work(1);
    cluster.takeOut(() => true);
    const granted = { kind: "requestPreVoteResponse", to: 1, rejected: false, term: 1 } as const;
    cluster.deliver({ ...granted, from: 2 });
    cluster.work(1);
    assert.equal(cluster.raft(1).role, "candidate");
    cluster.deliver({ ...granted, from: 3 });
    cluster.deliver({ ...granted, from: 2 });
    assert.equal(cluster.raft(1).role, "candidate");
  });

  test("a pre-vote granted for another term does not count", () => {
    const cluster = new Cluster([1, 2, 3], { preVote: true });
    cluster.raft(1).campaign();
    cluster.work(1);
    const granted = { kind: "requestPreVoteResponse", to: 1, rejected: false, from: 2 } as const;
    cluster.deliver({ ...granted, term: 9 });
    assert.equal(cluster.raft(1).role, "preCandidate");
  });

  test("A5: a pre-vote touches neither term nor vote", () => {
    const cluster = new Cluster([1, 2, 3], { preVote: true });
    cluster.deliver(ask(1, 5));
    cluster.work(3);
    cluster.raft(3).campaign();
    cluster.work(3);
    cluster.restart(3);
    cluster.deliver(ask(2, 5));
    cluster.work(3);
    assert.deepEqual(answers(cluster).at(-1), [2, true]);
  });

  test("A6: a second campaign replaces the first; late answers to it do not count", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.raft(1).campaign();
    cluster.work(1);
    cluster.raft(1).campaign();
    cluster.work(1);
    assert.equal(cluster.raft(1).term, 2);
    cluster.deliver({ kind: "requestVoteResponse", from: 2, to: 1, term: 1, rejected: false });
    assert.equal(cluster.raft(1).role, "candidate");
  });

  test("A7: a vote with a newer term is a reason to step down", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.raft(1).campaign();
    cluster.work(1);
    cluster.deliver({ kind: "requestVoteResponse", from: 2, to: 1, term: 9, rejected: false });
    assert.deepEqual([cluster.raft(1).role, cluster.raft(1).term], ["follower", 9]);
  });

  test("A8 (5.4.1): the later last term wins, then the longer log", () => {
    for (const [lastIndex, lastTerm, granted] of [
      [2, 2, true],
      [9, 2, true],
      [1, 3, true],
      [1, 2, false],
      [9, 1, false],
    ] as const) {
      const cluster = new Cluster([1, 2, 3]);
      const storage = cluster.seat(3).storage;
      storage.append([
        { kind: "noop", index: 1, term: 1, sizeBytes: 0, payload: undefined },
        { kind: "noop", index: 2, term: 2, sizeBytes: 0, payload: undefined },
      ]);
      storage.hardState = { term: 2, vote: 0, commit: 0 };
      cluster.restart(3);
      cluster.deliver(ask(1, 5, lastIndex, lastTerm));
      cluster.work(3);
      assert.deepEqual(answers(cluster), [[1, !granted]], `${lastTerm}/${lastIndex}`);
    }
  });
});

describe("disturbers (thesis 4.2.3, 9.6)", () => {
  const options = { preVote: true, checkQuorum: true };

  test("C1: a replica that was cut off for long comes back without a newer term", () => {
    const cluster = new Cluster([1, 2, 3], options);
    cluster.elect(1);
    cluster.isolate(3);
    cluster.pass(500);
    assert.equal(cluster.raft(3).term, 1);
    cluster.heal();
    cluster.pass(30);
    assert.deepEqual([cluster.leader, cluster.raft(1).term, cluster.raft(3).leader], [1, 1, 1]);
  });

  test("C1: without pre-vote its votes are ignored while a leader is heard", () => {
    const cluster = new Cluster([1, 2, 3], { checkQuorum: true });
    cluster.elect(1);
    cluster.pass(2);
    cluster.deliver({
      kind: "requestVote",
      from: 3,
      to: 2,
      term: 50,
      lastIndex: 9,
      lastTerm: 9,
      transfer: false,
    });
    assert.equal(cluster.raft(2).term, 1);
  });

  test("C2: a leader that resigned is granted a pre-vote by those who forgot it", () => {
    const cluster = new Cluster([1, 2, 3], options);
    cluster.elect(1);
    cluster.isolate(1);
    cluster.tick(1, 20);
    cluster.run();
    for (const id of [1, 2, 3]) cluster.raft(id).setElectionTimeout(100);
    cluster.tick(2, 10);
    cluster.tick(3, 10);
    assert.equal(cluster.raft(2).leader, 1, "they still believe in it");
    cluster.heal();
    cluster.elect(1);
  });

  test("C3: granting pre-votes does not keep a follower from campaigning itself", () => {
    const cluster = new Cluster([1, 2, 3], options);
    for (let at = 0; at < 20; at++) {
      cluster.deliver({
        kind: "requestPreVote",
        from: 3,
        to: 2,
        term: 1,
        lastIndex: 0,
        lastTerm: 0,
      });
      cluster.tick(2);
    }
    assert.equal(cluster.raft(2).role, "preCandidate");
  });

  test("C4: a pre-candidate that lags behind adopts the term of a refusal", () => {
    const cluster = new Cluster([1, 2, 3], options);
    cluster.deliver({ kind: "heartbeat", from: 1, to: 2, term: 6, commit: 0, readRound: 0 });
    cluster.tick(2, 10);
    cluster.raft(3).campaign();
    cluster.lose = ({ from, to }) => from === 1 || to === 1;
    cluster.run();
    assert.equal(cluster.raft(3).term, 6);
    cluster.elect(3);
  });

  test("B27: a zombie leader learns of the newer term by its own heartbeat", () => {
    const cluster = new Cluster([1, 2, 3], options);
    cluster.elect(1);
    cluster.isolate(1);
    cluster.tick(2, 10);
    cluster.tick(3, 10);
    cluster.elect(2);
    cluster.heal();
    cluster.tick(1);
    cluster.run();
    assert.deepEqual([cluster.raft(1).role, cluster.raft(1).term], ["follower", 2]);
  });

  test("C5: with one link down the leader that both hear stays", () => {
    const cluster = new Cluster([1, 2, 3], options);
    cluster.elect(2);
    cluster.lose = ({ from, to }) => from + to === 4 && from !== 2;
    cluster.pass(200);
    assert.deepEqual([cluster.leader, cluster.raft(2).term], [2, 1]);
  });

  test("C5: a leader that is cut off from one side only is replaced by one with a majority", () => {
    const cluster = new Cluster([1, 2, 3], options);
    cluster.elect(1);
    cluster.lose = ({ from }) => from === 1;
    cluster.pass(100);
    assert.notEqual(cluster.leader, 1);
    assert.equal(cluster.raft(1).role === "leader", false);
  });

  test("C6: a leader whose storage hangs steps down, and does not campaign", () => {
    const cluster = new Cluster([1, 2, 3], {
      ...options,
      asynchronousStorage: true,
      storageTimeoutTicks: 20,
    });
    cluster.elect(1);
    cluster.raft(1).propose([{ payload: "a", sizeBytes: 1 }]);
    const alive = (): void => {
      cluster.tick(1);
      cluster.work(1);
      for (const message of cluster.takeOut(({ to }) => to !== 1)) cluster.deliver(message);
      for (const id of [2, 3]) {
        cluster.work(id);
        while (cluster.store(id));
      }
      for (const message of cluster.takeOut(({ to }) => to === 1)) cluster.deliver(message);
    };
    for (let at = 0; at < 19; at++) alive();
    assert.equal(cluster.raft(1).role, "leader");
    for (let at = 0; at < 3; at++) alive();
    assert.equal(cluster.raft(1).role, "follower");
    assert.equal(cluster.eventsOf(1, "storageStalled").length, 1);
    cluster.raft(1).campaign();
    assert.equal(cluster.raft(1).role, "follower");
    cluster.pass(1);
    cluster.raft(1).campaign();
    assert.equal(cluster.raft(1).role, "preCandidate", "storage answered");
  });

  test("C12: a learner votes when it is asked", () => {
    const cluster = new Cluster([1, 2]);
    cluster.add(3, { ...votersOf(1, 2), learners: [{ replicaId: 3, name: "r3" }] });
    cluster.deliver({
      kind: "requestVote",
      from: 1,
      to: 3,
      term: 1,
      lastIndex: 0,
      lastTerm: 0,
      transfer: false,
    });
    cluster.work(3);
    assert.deepEqual(
      cluster.messages.map((message) => message.kind === "requestVoteResponse" && message.rejected),
      [false],
    );
    cluster.raft(3).campaign();
    assert.equal(cluster.raft(3).role, "follower", "but it does not campaign");
  });

  test("C13: learners do not keep a leader in office", () => {
    const cluster = new Cluster([1, 2, 3], options);
    cluster.elect(1);
    cluster.add(4);
    cluster.add(5);
    cluster.change(1, "l4");
    cluster.change(1, "l5");
    cluster.isolate(2, 3);
    cluster.pass(25);
    assert.equal(cluster.raft(1).role, "follower");
    assert.ok(cluster.eventsOf(1, "quorumLost").length > 0);
  });

  test("D7: a replica outside the configuration, or without one, never campaigns", () => {
    const cluster = new Cluster([1, 2]);
    cluster.add(9);
    cluster.tick(9, 100);
    cluster.raft(9).campaign();
    assert.equal(cluster.raft(9).role, "follower");
    assert.equal(cluster.eventsOf(9, "cannotCampaign").length, 1);
  });
});
