import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ProglogError } from "../../src/base/index.ts";
import { ENTRY_TYPE } from "../../src/log/index.ts";
import type { PeerMessage, RaftEnvelope } from "../../src/replica/index.ts";
import { bytesOf, Cluster } from "./cluster.ts";
import type { Server } from "./cluster.ts";

function followersOf(cluster: Cluster, leader: Server): [Server, Server] {
  return cluster.servers.filter(({ id }) => id !== leader.id) as [Server, Server];
}

async function outcome(cluster: Cluster, promise: Promise<unknown>): Promise<string> {
  const told = promise.then(
    () => "ok",
    (error: unknown) => {
      const { code, notAppended } = error as ProglogError;
      return notAppended ? `${code}, not appended` : code;
    },
  );
  return cluster.wait(told, 30_000);
}

describe("appends", () => {
  test("at a follower are refused with the leader's name, and were not appended", async () => {
    await using cluster = await Cluster.start();
    const leader = await cluster.leader();
    const [follower] = followersOf(cluster, leader);
    await cluster.until(() => follower.running.status.leader === leader.id);
    const refused = follower.running.append({ value: null });
    await assert.rejects(refused, {
      code: "NOT_LEADER",
      notAppended: true,
      details: { leader: leader.member.name },
    });
  });

  test("are not refused by a leader that may be none any more (contract 5)", async () => {
    await using cluster = await Cluster.start();
    const leader = await cluster.leader();
    await cluster.append(leader, "a");
    cluster.isolate(leader.id);
    const refused = leader.running.append({ value: null }, { expectedOffset: 7 });
    assert.equal(await outcome(cluster, refused), "UNAVAILABLE, not appended");
    cluster.heal();
    const next = await cluster.leader();
    const mismatch = next.running.append({ value: null }, { expectedOffset: 7 });
    assert.equal(await outcome(cluster, mismatch), "OFFSET_MISMATCH, not appended");
  });

  test("of an idempotent producer are recognised by the next leader (G7)", async () => {
    await using cluster = await Cluster.start();
    const leader = await cluster.leader();
    const producer = await cluster.wait(leader.running.createProducer("p"));
    const stamp = { ...producer, sequence: 0 };
    const first = await cluster.wait(leader.running.append({ value: null }, { stamp }));
    cluster.crash(leader);
    const next = await cluster.leader();
    const again = await cluster.wait(next.running.append({ value: null }, { stamp }));
    assert.deepEqual([again.baseOffset, again.duplicate], [first.baseOffset, true]);
    await cluster.open(leader);
  });

  test("wait until there is room on the disks of all voters", async () => {
    await using cluster = await Cluster.start({ log: { freeBytesMin: 1 } });
    const leader = await cluster.leader();
    const [follower] = followersOf(cluster, leader);
    const append = (): Promise<unknown> => leader.running.append({ value: null });
    assert.equal(await outcome(cluster, append()), "ok");
    follower.disk.capacityBytes = 4096;
    // It looks once a second, and tells with its next answer.
    await cluster.run(2_500);
    assert.equal(await outcome(cluster, append()), "RESOURCE_EXHAUSTED, not appended");
    follower.disk.capacityBytes = Infinity;
    await cluster.run(2_500);
    assert.equal(await outcome(cluster, append()), "ok");
  });
});

describe("leadership", () => {
  test("is handed over when asked, and appends go on at the other", async () => {
    await using cluster = await Cluster.start();
    const leader = await cluster.leader();
    await cluster.append(leader, "a");
    const [target] = followersOf(cluster, leader);
    leader.running.transferLeadership(target.id);
    await cluster.until(() => target.running.status.role === "leader", 500);
    await cluster.append(await cluster.leader(target.id), "b");
    await cluster.caughtUp(target);
    assert.deepEqual(await cluster.readAll(leader), ["a", "b"]);
  });

  test("is given up by a leader whose sync fails, and the replica says nothing more (A12)", async () => {
    await using cluster = await Cluster.start();
    const leader = await cluster.leader();
    await cluster.append(leader, "a");
    await cluster.run(100);
    leader.disk.inject({ kind: "sync" }, { error: "EIO" });
    const append = leader.running.append({ value: bytesOf("b") });
    const isUnknown = await outcome(cluster, append);
    assert.equal(isUnknown, "STORAGE_FAILED");
    assert.equal(leader.failure?.code, "STORAGE_FAILED");
    const said = cluster.sent.length;
    await cluster.run(2_000);
    assert.ok(cluster.sent.slice(said).every(({ from }) => from !== leader.id));
    const next = await cluster.leader(...followersOf(cluster, leader).map(({ id }) => id));
    await cluster.append(next, "c");
    await cluster.restart(leader);
    await cluster.caughtUp(next);
    assert.deepEqual(await cluster.readAll(leader), await cluster.readAll(next));
  });

  test("ends where the disk is full after entries may have been sent: the outcome is unknown", async () => {
    await using cluster = await Cluster.start();
    const leader = await cluster.leader();
    await cluster.append(leader, "a");
    await cluster.run(100);
    const full = leader.disk.inject({ kind: "write", path: /\.log$/ }, { error: "ENOSPC" });
    const append = leader.running.append({ value: bytesOf("b") });
    assert.equal(await outcome(cluster, append), "UNAVAILABLE");
    assert.ok(full.hits > 0);
    const next = await cluster.leader();
    await cluster.append(next, "c");
    await cluster.caughtUp(next);
    const values = await cluster.readAll(next);
    for (const server of cluster.servers) assert.deepEqual(await cluster.readAll(server), values);
    assert.ok(values.join() === "a,b,c" || values.join() === "a,c");
  });
});

describe("reads", () => {
  test("that must be fresh are answered by followers, and by nobody who is cut off (F1, G8)", async () => {
    await using cluster = await Cluster.start();
    const leader = await cluster.leader();
    const [follower, other] = followersOf(cluster, leader);
    await cluster.append(leader, "a");
    await cluster.wait(follower.running.readBarrier());
    assert.equal(follower.running.highWatermark, 1);
    assert.equal(await outcome(cluster, follower.running.read(5, 10)), "OFFSET_OUT_OF_RANGE");
    cluster.isolate(follower.id);
    await cluster.append(leader, "b");
    assert.equal(await outcome(cluster, follower.running.readBarrier()), "UNAVAILABLE");
    assert.equal(await outcome(cluster, follower.running.read(2, 10)), "UNAVAILABLE");
    cluster.heal();
    cluster.isolate(leader.id);
    const stale = outcome(cluster, leader.running.readBarrier());
    const next = await cluster.leader(follower.id, other.id);
    await cluster.append(next, "c");
    cluster.heal();
    await stale;
    assert.equal(leader.running.highWatermark >= 3, true, "fresh when it was answered");
  });
});

describe("messages that no healthy replica sends", () => {
  const tamper: readonly [what: string, change: (envelope: RaftEnvelope) => PeerMessage][] = [
    ["of another log", (envelope) => ({ ...envelope, log: "other" })],
    ["to somebody else", (envelope) => ({ ...envelope, to: 99 })],
    ["in another's name", (envelope) => ({ ...envelope, from: 99 })],
    [
      "with offsets that do not continue",
      (envelope) => ({
        ...envelope,
        entries: envelope.entries.map((entry) => ({ ...entry, baseOffset: entry.baseOffset + 5 })),
      }),
    ],
    [
      "with records in an entry that holds none",
      (envelope) => ({
        ...envelope,
        entries: envelope.entries.map((entry) => ({ ...entry, type: ENTRY_TYPE.noop })),
      }),
    ],
    [
      "with a fence",
      (envelope) => ({
        ...envelope,
        entries: envelope.entries.map((entry) => ({ ...entry, type: ENTRY_TYPE.fence })),
      }),
    ],
    [
      "with a change of no shape",
      (envelope) => ({
        ...envelope,
        entries: envelope.entries.map((entry) => ({
          ...entry,
          type: ENTRY_TYPE.configuration,
          recordCount: 0,
        })),
      }),
    ],
  ];
  for (const [what, change] of tamper) {
    test(`${what} are refused, and the log is as it was`, async () => {
      await using cluster = await Cluster.start();
      const leader = await cluster.leader();
      await cluster.append(leader, "a");
      await cluster.caughtUp(leader);
      const [follower] = followersOf(cluster, leader);
      let caught: RaftEnvelope | undefined;
      cluster.lose = (message) => {
        if (message.kind !== "raft" || message.to !== follower.id) return false;
        if (message.entries.length === 0) return false;
        caught ??= message;
        return true;
      };
      await cluster.append(leader, "b");
      const { lastIndex } = follower.running.status;
      const good = await cluster.until(() => caught);
      follower.running.receive(change(good));
      await cluster.run(20);
      assert.equal(follower.running.status.lastIndex, lastIndex);
      follower.running.receive(good);
      await cluster.run(20);
      assert.equal(follower.running.status.lastIndex, lastIndex + 1, "the true one is taken");
    });
  }
});
