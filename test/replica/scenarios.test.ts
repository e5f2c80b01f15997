/**
 * Failures that others have met (their ids are those of the list that the scenarios of `src/raft` name,
 * too), led through whole replicas: A11, A17, B17, B19, C14, C15, D15, E10, F4, F6, G1, G2, G11.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { AppendAnswer } from "../../src/base/index.ts";
import { ENTRY_TYPE } from "../../src/log/index.ts";
import { bytesOf, Cluster } from "./cluster.ts";
import type { Server } from "./cluster.ts";

const HOUR_MS = 3_600_000;

function others(cluster: Cluster, server: Server): Server[] {
  return cluster.servers.filter(({ id }) => id !== server.id);
}

/** Every running replica holds these, and nothing else. */
async function assertHeld(cluster: Cluster, values: readonly string[]): Promise<void> {
  const leader = await cluster.leader();
  await cluster.caughtUp(leader);
  for (const server of cluster.servers) {
    if (server.replica === undefined) continue;
    assert.deepEqual(await cluster.readAll(server), values, server.member.name);
  }
}

function appendAll(server: Server, values: readonly string[]): Promise<AppendAnswer>[] {
  return values.map((value) => server.running.append({ value: bytesOf(value) }));
}

function numbered(word: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${word} ${i}`);
}

describe("time", () => {
  test("A17, F6: a wall clock that jumps an hour either way ends no leadership and no lease", async () => {
    await using cluster = await Cluster.start();
    const leader = await cluster.leader();
    const { term } = leader.running;
    const values: string[] = [];
    for (const jumpMs of [HOUR_MS, -2 * HOUR_MS, HOUR_MS]) {
      cluster.clock.wallOffsetMs += jumpMs;
      await cluster.run(1_000);
      values.push(`after ${jumpMs}`);
      await cluster.append(leader, `after ${jumpMs}`);
      await cluster.wait(leader.running.readBarrier());
      assert.deepEqual([leader.running.status.role, leader.running.term], ["leader", term]);
    }
    await assertHeld(cluster, values);
  });

  test("C15, A17: who was held up takes its messages before it takes its leader for dead", async () => {
    await using cluster = await Cluster.start();
    const leader = await cluster.leader();
    await cluster.append(leader, "a");
    const { term } = leader.running;
    // A loop that was blocked for long: every timer is late, and messages wait.
    cluster.clock.ms += 30_000;
    await cluster.run(2_000);
    assert.deepEqual([leader.running.status.role, leader.running.term], ["leader", term]);
    await cluster.append(leader, "b");
    await assertHeld(cluster, ["a", "b"]);
  });
});

describe("what is acknowledged stays", () => {
  test("A11: the power of all goes in the middle of appends, with every kind of remains", async () => {
    await using cluster = await Cluster.start();
    const kept: string[] = [];
    for (const keep of ["none", "random", "all", "none"] as const) {
      const leader = await cluster.leader();
      const values = numbered(keep, 20);
      const answers = appendAll(leader, values).map((answer) => answer.catch(() => undefined));
      const answered = await cluster.wait(answers[9] as Promise<AppendAnswer | undefined>);
      assert.ok(answered !== undefined);
      for (const server of cluster.servers) cluster.crash(server, { keep });
      for (const server of cluster.servers) await cluster.open(server);
      kept.push(...values.slice(0, 10));
    }
    const leader = await cluster.leader();
    await cluster.caughtUp(leader);
    const held = await cluster.readAll(leader);
    assert.deepEqual(
      held.filter((value) => kept.includes(value)),
      kept,
    );
    await assertHeld(cluster, held);
  });

  test("D15: a partition, three crashes and a removal in quick succession", async () => {
    await using cluster = await Cluster.start({ replicas: 5 });
    const leader = await cluster.leader();
    const values = numbered("before", 5);
    for (const value of values) await cluster.append(leader, value);
    const rest = others(cluster, leader);
    const [cutOff, removed, ...fallen] = rest as [Server, Server, Server, Server];
    cluster.isolate(cutOff.id);
    const removal = leader.running.members.remove(removed.id).catch(() => undefined);
    const unknown = appendAll(leader, ["during"]).map((each) => each.catch(() => undefined));
    await cluster.run(3);
    for (const server of [leader, ...fallen]) cluster.crash(server, { keep: "none" });
    await Promise.race([removal, ...unknown, cluster.run(1_000)]);
    cluster.heal();
    for (const server of [leader, ...fallen]) await cluster.open(server);
    const next = await cluster.leader();
    await cluster.append(next, "after");
    const held = await cluster.readAll(next);
    const during = held.includes("during") ? ["during"] : [];
    assert.deepEqual(held, [...values, ...during, "after"]);
  });

  test("E10: starts again and again add nothing, take nothing, and count the same", async () => {
    await using cluster = await Cluster.start();
    const values = numbered("v", 30);
    for (const value of values) await cluster.append(await cluster.leader(), value);
    for (let round = 0; round < 3; round++) {
      for (const server of cluster.servers) await cluster.restart(server);
      await assertHeld(cluster, values);
    }
    const { baseOffset } = await cluster.append(await cluster.leader(), "next");
    assert.equal(baseOffset, values.length);
  });
});

describe("who leads", () => {
  test("C14: is announced only when an entry of its term is committed", async () => {
    await using cluster = await Cluster.start();
    const first = await cluster.leader();
    await cluster.append(first, "a");
    cluster.lose = (message) =>
      message.kind === "raft" &&
      message.message.kind === "appendEntriesResponse" &&
      message.to !== first.id;
    cluster.crash(first);
    const isElected = ({ replica }: Server): boolean => replica?.status.role === "leader";
    const next = await cluster.until(() => cluster.servers.find(isElected));
    const { id } = next.member.replicaId === next.id ? { id: next.member.name } : { id: "" };
    const announced = (): boolean =>
      next.running.servers().servers.some((server) => server.id === id && server.isLeader);
    await cluster.run(50);
    assert.equal(isElected(next), true);
    assert.equal(announced(), false, "elected, and nothing of its term is committed");
    cluster.lose = () => false;
    await cluster.until(announced);
  });
});

describe("one turn", () => {
  test("that brings a newer leader cuts what was proposed in it, and nothing of it is ever said", async () => {
    await using cluster = await Cluster.start();
    const leader = await cluster.leader();
    await cluster.append(leader, "a");
    await cluster.caughtUp(leader);
    const [other] = others(cluster, leader) as [Server];
    const { lastIndex: previousIndex, term: previousTerm } = leader.running.status;
    const [last] = await leader.opened.readEntries(previousIndex, {
      maxBytes: 1_000,
      toIndex: previousIndex,
    });
    assert.ok(last !== undefined);
    const place = { from: other.id, to: leader.id };
    const term = previousTerm + 1;
    // Held up, this leader has not heard of the election; both come in one turn.
    const change = leader.running.members.addLearner({ replicaId: 9, name: "nine" });
    const refused = assert.rejects(change, { code: "UNAVAILABLE" });
    leader.running.receive({
      kind: "raft",
      log: "default",
      ...place,
      freeBytes: Number.MAX_SAFE_INTEGER,
      message: {
        kind: "appendEntries",
        ...place,
        term,
        previousIndex,
        previousTerm,
        entries: [],
        commit: previousIndex,
        damageId: 0,
        repairIndex: 0,
      },
      entries: [
        {
          index: previousIndex + 1,
          term,
          type: ENTRY_TYPE.noop,
          baseOffset: last.baseOffset + last.recordCount,
          appendedAt: last.appendedAt,
          recordCount: 0,
          payload: new Uint8Array(0),
        },
      ],
    });
    await cluster.wait(refused);
    const next = await cluster.leader();
    await cluster.append(next, "b");
    await assertHeld(cluster, ["a", "b"]);
  });
});

describe("what is read", () => {
  test("B19, G1: what only a minority has is shown to nobody, by nobody", async () => {
    await using cluster = await Cluster.start();
    const old = await cluster.leader();
    await cluster.append(old, "a");
    await cluster.caughtUp(old);
    cluster.isolate(old.id);
    const lost = appendAll(old, ["lost 0", "lost 1"]).map((each) => each.catch(() => undefined));
    await cluster.run(100);
    assert.equal(old.running.highWatermark, 1);
    assert.deepEqual(await cluster.readAll(old), ["a"]);
    const next = await cluster.leader(...others(cluster, old).map(({ id }) => id));
    await cluster.append(next, "b");
    assert.equal(old.running.highWatermark, 1, "still cut off");
    cluster.heal();
    await cluster.wait(Promise.all(lost));
    await assertHeld(cluster, ["a", "b"]);
  });

  test("F4: a barrier waits for what was acknowledged, and shows nothing that is not committed", async () => {
    await using cluster = await Cluster.start();
    const leader = await cluster.leader();
    await cluster.append(leader, "a");
    const [follower, other] = others(cluster, leader) as [Server, Server];
    // The leader has more in its log; nobody else acknowledges it.
    cluster.lose = ({ kind, ...message }) =>
      kind === "raft" &&
      "message" in message &&
      message.message.kind === "appendEntries" &&
      message.entries.length > 0;
    const pending = appendAll(leader, ["b", "c"]);
    await cluster.run(20);
    await cluster.wait(follower.running.readBarrier());
    await cluster.wait(leader.running.readBarrier());
    for (const { running } of [leader, follower]) assert.equal(running.highWatermark, 1);
    cluster.lose = () => false;
    await cluster.wait(Promise.all(pending));
    await cluster.wait(other.running.readBarrier());
    assert.equal(other.running.highWatermark, 3);
  });
});

describe("offsets", () => {
  test("G2: are the same everywhere after a suffix with entries that hold no records was cut", async () => {
    await using cluster = await Cluster.start();
    const old = await cluster.leader();
    await cluster.append(old, "a");
    cluster.isolate(old.id);
    const settled = (asked: Promise<unknown>): Promise<unknown> => asked.catch(() => undefined);
    const lost = [
      settled(old.running.append({ value: bytesOf("lost") })),
      settled(old.running.createProducer("lost")),
      settled(old.running.append({ value: bytesOf("lost too") })),
    ];
    await cluster.run(50);
    const next = await cluster.leader(...others(cluster, old).map(({ id }) => id));
    await cluster.wait(next.running.createProducer("kept"));
    await cluster.append(next, "b");
    cluster.heal();
    await cluster.wait(Promise.all(lost));
    await cluster.caughtUp(next);
    for (const server of cluster.servers) await cluster.restart(server);
    await assertHeld(cluster, ["a", "b"]);
    const { baseOffset } = await cluster.append(await cluster.leader(), "c");
    assert.equal(baseOffset, 2);
    await assertHeld(cluster, ["a", "b", "c"]);
  });

  test("G11: of pipelined appends whose leader steps down midway are where they were said to be", async () => {
    await using cluster = await Cluster.start();
    const leader = await cluster.leader();
    await cluster.append(leader, "first");
    const values = numbered("piped", 60);
    const told = new Map<number, string>();
    const asked: Promise<unknown>[] = [];
    for (const [i, value] of values.entries()) {
      const answer = leader.running.append({ value: bytesOf(value) });
      const note = ({ baseOffset }: AppendAnswer): void => void told.set(baseOffset, value);
      asked.push(answer.then(note, () => undefined));
      if (i % 10 === 9) await cluster.run(1);
      if (i === 30) leader.running.transferLeadership((others(cluster, leader)[0] as Server).id);
    }
    await cluster.wait(Promise.all(asked));
    const next = await cluster.leader();
    await cluster.append(next, "last");
    await cluster.caughtUp(next);
    assert.ok(told.size > 10, `${told.size} were answered`);
    for (const server of cluster.servers) {
      const held = await cluster.readAll(server);
      for (const [offset, value] of told) assert.equal(held[offset], value, `offset ${offset}`);
    }
  });

  test("B17: of appends that land while old segments go are given once, and none is lost", async () => {
    await using cluster = await Cluster.start();
    const leader = await cluster.leader();
    const { running } = leader;
    const values = numbered("v", 240);
    const answers: Promise<AppendAnswer>[] = [];
    const deletions: Promise<void>[] = [];
    for (const [i, value] of values.entries()) {
      answers.push(running.append({ value: bytesOf(`${value} ${"x".repeat(100)}`) }));
      if (i % 20 === 19) {
        await cluster.run(3);
        deletions.push(running.deleteBefore(running.highWatermark));
      }
    }
    const told = await cluster.wait(Promise.all(answers));
    await cluster.wait(Promise.all(deletions));
    assert.deepEqual(
      told.map(({ baseOffset }) => baseOffset),
      values.map((_, i) => i),
    );
    await cluster.caughtUp(leader);
    const { lowestOffset } = running;
    assert.ok(lowestOffset > 100, `it begins at ${lowestOffset}`);
    for (const server of cluster.servers) {
      assert.equal(server.running.lowestOffset, lowestOffset);
      const held = await cluster.readAll(server);
      assert.deepEqual(
        held.map((value) => value.split(" x")[0]),
        values.slice(lowestOffset),
      );
    }
  });
});
