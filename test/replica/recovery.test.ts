import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { limits } from "../../src/base/index.ts";
import type { ProglogError } from "../../src/base/index.ts";
import { Cluster, DIRECTORY } from "./cluster.ts";
import type { Server } from "./cluster.ts";

const value = (i: number): string => `value ${i} ${"v".repeat(100)}`;

async function fill(cluster: Cluster, leader: Server, from: number, to: number): Promise<string[]> {
  const values: string[] = [];
  for (let i = from; i < to; i++) {
    values.push(value(i));
    await cluster.append(leader, value(i));
  }
  return values;
}

/** The files of a server's segments, oldest first. */
async function segmentsOf(server: Server): Promise<string[]> {
  const names = await server.disk.list(DIRECTORY);
  return names.filter((name) => name.endsWith(".log")).sort();
}

/** Loses some entries of a file, and the fences between them. */
function damage(server: Server, name: string, position: number): void {
  server.disk.medium.overwrite(`${DIRECTORY}/${name}`, position, new Uint8Array(600));
}

const others = (cluster: Cluster, server: Server): number[] =>
  cluster.servers.map(({ id }) => id).filter((id) => id !== server.id);

describe("a replica behind the log's start (E6, G3, G5)", () => {
  test("gets the marker, then every retained entry, and counts offsets as the others do", async () => {
    await using cluster = await Cluster.start();
    const leader = await cluster.leader();
    const [follower] = cluster.servers.filter(({ id }) => id !== leader.id) as [Server];
    cluster.crash(follower);
    const values = await fill(cluster, leader, 0, 120);
    await cluster.wait(leader.running.deleteBefore(90));
    await cluster.until(() => leader.opened.firstIndex > 50, 60_000);
    await cluster.open(follower);
    await cluster.caughtUp(leader);
    assert.ok(
      cluster.sent.some(
        ({ kind, ...m }) =>
          kind === "raft" && "message" in m && m.message.kind === "installSnapshot",
      ),
    );
    assert.ok(follower.opened.firstIndex > 50);
    assert.equal(follower.running.lowestOffset, 90);
    assert.deepEqual(await cluster.readAll(follower), values.slice(90));
    // And after a restart of its own.
    await cluster.restart(follower);
    await cluster.append(leader, "more");
    await cluster.caughtUp(leader);
    assert.deepEqual(await cluster.readAll(follower), [...values.slice(90), "more"]);
  });

  test("gets a marker that was lost again, whatever it answered in between", async () => {
    await using cluster = await Cluster.start();
    const leader = await cluster.leader();
    const [follower] = cluster.servers.filter(({ id }) => id !== leader.id) as [Server];
    cluster.crash(follower);
    await fill(cluster, leader, 0, 120);
    await cluster.wait(leader.running.deleteBefore(90));
    await cluster.until(() => leader.opened.firstIndex > 50, 60_000);
    let lost = 0;
    cluster.lose = (m) => m.kind === "raft" && m.message.kind === "installSnapshot" && lost++ === 0;
    await cluster.open(follower);
    await cluster.until(() => lost === 1);
    const old = cluster.sent.find(
      ({ from, to, ...m }) =>
        "message" in m &&
        m.message.kind === "appendEntriesResponse" &&
        from === follower.id &&
        to === leader.id,
    );
    assert.ok(old !== undefined, "an answer from before the marker");
    leader.running.receive(old);
    await cluster.caughtUp(leader);
    assert.equal(lost, 2);
  });

  test("knows the producers of the log it never saw (G7)", async () => {
    await using cluster = await Cluster.start();
    const leader = await cluster.leader();
    const [follower] = cluster.servers.filter(({ id }) => id !== leader.id) as [Server];
    cluster.crash(follower);
    const producer = await cluster.wait(leader.running.createProducer("p"));
    const stamp = { ...producer, sequence: 0 };
    const first = await cluster.wait(leader.running.append({ value: null }, { stamp }));
    await fill(cluster, leader, 0, 120);
    await cluster.wait(leader.running.deleteBefore(100));
    await cluster.until(() => leader.opened.firstIndex > 50, 60_000);
    await cluster.open(follower);
    await cluster.caughtUp(leader);
    leader.running.transferLeadership(follower.id);
    const next = await cluster.leader(follower.id);
    const again = await cluster.wait(next.running.append({ value: null }, { stamp }));
    assert.deepEqual([again.baseOffset, again.duplicate], [first.baseOffset, true]);
  });
});

describe("damage (A14 to A16)", () => {
  test("of a sealed segment is found at the next read and mended from the others", async () => {
    await using cluster = await Cluster.start();
    const leader = await cluster.leader();
    const values = await fill(cluster, leader, 0, 100);
    await cluster.caughtUp(leader);
    await cluster.run(100);
    const [follower] = cluster.servers.filter(({ id }) => id !== leader.id) as [Server];
    const [, second] = (await segmentsOf(follower)) as [string, string];
    damage(follower, second, 1000);
    assert.equal((await follower.opened.verify()).size, 1);
    await cluster.until(() => follower.opened.damage.length === 0);
    assert.equal((await follower.opened.verify()).size, 0);
    await cluster.restart(follower);
    assert.equal(follower.opened.damage.length, 0, "as long as it was: the next one says so");
    await cluster.caughtUp(leader);
    assert.deepEqual(await cluster.readAll(follower), values);
  });

  test("of the segment that is written to: no vote and no acknowledgement until it is whole", async () => {
    await using cluster = await Cluster.start();
    const leader = await cluster.leader();
    const values = await fill(cluster, leader, 0, 100);
    await cluster.caughtUp(leader);
    await cluster.run(100);
    const [follower] = cluster.servers.filter(({ id }) => id !== leader.id) as [Server];
    cluster.crash(follower);
    const last = (await segmentsOf(follower)).at(-1) as string;
    damage(follower, last, 100);
    await cluster.open(follower);
    assert.equal(follower.running.status.damaged, true);
    assert.equal(follower.opened.hardState.damaged, true, "durable before anything is said");
    cluster.lose = ({ kind }) => kind === "fetchedEntries";
    const { lastIndex } = follower.opened;
    await cluster.append(leader, "more");
    await cluster.run(3_000);
    assert.equal(follower.opened.lastIndex, lastIndex, "nothing is appended behind the damage");
    cluster.lose = () => false;
    await cluster.until(() => !follower.running.status.damaged);
    await cluster.until(() => !follower.opened.hardState.damaged);
    await cluster.caughtUp(leader);
    assert.deepEqual(await cluster.readAll(follower), [...values, "more"]);
    assert.equal((await follower.opened.verify()).size, 0);
  });

  test("a page at the end that cannot be read: it starts damaged, and has all again from the others", async () => {
    await using cluster = await Cluster.start();
    const leader = await cluster.leader();
    const values = await fill(cluster, leader, 0, 100);
    await cluster.caughtUp(leader);
    const [follower] = cluster.servers.filter(({ id }) => id !== leader.id) as [Server];
    cluster.crash(follower);
    const last = (await segmentsOf(follower)).at(-1) as string;
    const match = { kind: "read", path: last, touching: 700, always: true } as const;
    const broken = follower.disk.inject(match, { error: "EIO" });
    await cluster.open(follower);
    // What is written there again can be read again.
    broken.remove();
    assert.equal(follower.opened.recovery.tailLost, true);
    assert.ok(follower.opened.nextOffset < values.length);
    assert.equal(follower.running.status.damaged, true);
    await cluster.append(leader, "more");
    await cluster.until(() => !follower.running.status.damaged);
    await cluster.caughtUp(leader);
    assert.deepEqual(await cluster.readAll(follower), [...values, "more"]);
    assert.equal((await follower.opened.verify()).size, 0);
  });

  test("a page of a sealed segment that cannot be read is mended like any other damage", async () => {
    await using cluster = await Cluster.start();
    const leader = await cluster.leader();
    const values = await fill(cluster, leader, 0, 100);
    await cluster.caughtUp(leader);
    await cluster.run(100);
    const [follower] = cluster.servers.filter(({ id }) => id !== leader.id) as [Server];
    const [, second] = (await segmentsOf(follower)) as [string, string];
    const match = { kind: "read", path: second, touching: 700, always: true } as const;
    const broken = follower.disk.inject(match, { error: "EIO" });
    assert.equal((await follower.opened.verify()).size, 1);
    broken.remove();
    await cluster.until(() => follower.opened.damage.length === 0);
    assert.deepEqual(await cluster.readAll(follower), values);
  });

  test("a lost raft.state: the replica does not vote until a majority without it went on", async () => {
    await using cluster = await Cluster.start();
    const leader = await cluster.leader();
    await fill(cluster, leader, 0, 3);
    await cluster.caughtUp(leader);
    await cluster.run(100);
    const [follower, third] = cluster.servers.filter(({ id }) => id !== leader.id) as [
      Server,
      Server,
    ];
    cluster.crash(follower);
    follower.disk.medium.flipBit(`${DIRECTORY}/raft.state`, 20 * 8);
    follower.disk.medium.flipBit(`${DIRECTORY}/raft.state`, (8192 + 20) * 8);
    cluster.crash(leader);
    await cluster.open(follower);
    assert.equal(follower.running.status.damaged, true);
    await cluster.run(5_000);
    assert.notEqual(third.running.status.role, "leader", "nobody leads by a damaged vote");
    assert.notEqual(follower.running.status.role, "leader");
    // Not even after another restart.
    await cluster.restart(follower);
    assert.equal(follower.running.status.damaged, true);
    await cluster.open(leader);
    const next = await cluster.leader(...others(cluster, follower));
    await cluster.append(next, "more");
    await cluster.until(() => !follower.running.status.damaged);
    await cluster.caughtUp(next);
  });
});

describe("a log of which nothing is left (A14)", () => {
  test("begins damaged: it gives no vote to who has less than it had, and is made whole", async () => {
    await using cluster = await Cluster.start();
    const leader = await cluster.leader();
    const [lost, lagging] = cluster.servers.filter(({ id }) => id !== leader.id) as [
      Server,
      Server,
    ];
    cluster.isolate(lagging.id);
    const values = await fill(cluster, leader, 0, 20);
    cluster.crash(leader);
    cluster.crash(lost);
    lost.disk = cluster.newDisk();
    await cluster.open(lost, { ifMissing: "damaged" });
    assert.equal(lost.running.status.damaged, true);
    assert.deepEqual(lost.running.status.configuration.voters, []);
    cluster.heal();
    await cluster.run(5_000);
    assert.notEqual(lagging.running.status.role, "leader", "what was acknowledged would be gone");
    // A majority that has everything goes on, and gives back what was lost.
    await cluster.open(leader);
    const next = await cluster.leader();
    await cluster.until(() => !lost.running.status.damaged);
    await cluster.append(next, "more");
    await cluster.caughtUp(next);
    assert.deepEqual(await cluster.readAll(lost), [...values, "more"]);
    assert.equal(lost.opened.hardState.damaged, false);
    // It votes: with it and one other a majority goes on.
    cluster.crash(next);
    await cluster.append(await cluster.leader(), "and more");
  });
});

describe("members (A14, D14)", () => {
  test("a disk that was lost: its name comes back with a new id, and takes the place of the old", async () => {
    await using cluster = await Cluster.start();
    const leader = await cluster.leader();
    const values = await fill(cluster, leader, 0, 50);
    const [lost] = cluster.servers.filter(({ id }) => id !== leader.id) as [Server];
    const member = { replicaId: 77, name: lost.member.name };
    const refusals: string[] = [];
    for (let i = 0; i < 2; i++) {
      await assert.rejects(leader.running.members.addLearner(member), (error: ProglogError) => {
        refusals.push(error.message);
        return error.code === "CONFIGURATION";
      });
      await cluster.run(500);
    }
    assert.equal(refusals[0], refusals[1], "the same refusal in the same words");
    cluster.crash(lost);
    await cluster.run(limits.replacedSilentMs + 2 * limits.tickMs);
    const asTheLeader = leader.running.members.addLearner({ ...leader.member, replicaId: 78 });
    await assert.rejects(cluster.wait(asTheLeader), { code: "CONFIGURATION" }, "it lives");
    const fresh = await cluster.join(member);
    await cluster.wait(leader.running.members.addLearner(member));
    await cluster.until(() => leader.running.members.isCaughtUp(77));
    await cluster.wait(leader.running.members.promote(77));
    await cluster.until(() => leader.running.status.configuration.votersOutgoing.length === 0);
    const { voters, learners } = leader.running.status.configuration;
    assert.deepEqual(
      voters.map(({ replicaId }) => replicaId).sort((a, b) => a - b),
      [...others(cluster, lost).filter((id) => id !== 77), 77].sort((a, b) => a - b),
    );
    assert.deepEqual(learners, []);
    await cluster.caughtUp(leader, leader.id, 77);
    assert.deepEqual(await cluster.readAll(fresh), values);
    // It votes: with it and one other a majority goes on.
    cluster.crash(leader);
    const next = await cluster.leader();
    await cluster.append(next, "more");
  });

  test("more members than every replica can write down are refused, and nobody falls", async () => {
    await using cluster = await Cluster.start({ replicas: 1 });
    const leader = await cluster.leader();
    const join = (replicaId: number): Promise<void> =>
      cluster.wait(
        leader.running.members.addLearner({ replicaId, name: `${replicaId}`.padEnd(63, "x") }),
      );
    let replicaId = 2 ** 52;
    for (; replicaId < 2 ** 52 + 30; replicaId++) await join(replicaId);
    await assert.rejects(
      async () => {
        for (; replicaId < 2 ** 52 + 100; replicaId++) await join(replicaId);
      },
      { code: "CONFIGURATION", message: /more than a cluster can have/ },
    );
    await cluster.restart(leader);
    await cluster.append(await cluster.leader(), "goes on");
  });

  test("a cluster of one grows to three, and its log is not rewritten", async () => {
    await using cluster = await Cluster.start({ replicas: 1 });
    const leader = await cluster.leader();
    const values = await fill(cluster, leader, 0, 50);
    for (const member of [
      { replicaId: 2, name: "two" },
      { replicaId: 3, name: "three" },
    ]) {
      await cluster.join(member);
      await cluster.wait(leader.running.members.addLearner(member));
      await cluster.until(() => leader.running.members.isCaughtUp(member.replicaId));
      await cluster.wait(leader.running.members.promote(member.replicaId));
    }
    assert.equal(leader.opened.hardState.configuration.voters.length, 3);
    await cluster.restart(leader);
    assert.equal(leader.running.status.configuration.voters.length, 3, "known after a restart");
    const next = await cluster.leader();
    await cluster.append(next, "more");
    await cluster.caughtUp(next);
    for (const server of cluster.servers) {
      assert.deepEqual(await cluster.readAll(server), [...values, "more"]);
    }
  });
});
