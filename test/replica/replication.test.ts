import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Cluster } from "./cluster.ts";

describe("three replicas", () => {
  test("elect a leader, and all have what was acknowledged", async () => {
    await using cluster = await Cluster.start();
    const leader = await cluster.leader();
    const answers = [];
    for (const value of ["a", "b", "c"]) answers.push(await cluster.append(leader, value));
    assert.deepEqual(
      answers.map(({ baseOffset }) => baseOffset),
      [0, 1, 2],
    );
    await cluster.caughtUp(leader);
    for (const server of cluster.servers) {
      assert.deepEqual(await cluster.readAll(server), ["a", "b", "c"]);
    }
  });

  test("an answer that comes late takes back nothing of what a follower is known to have", async () => {
    await using cluster = await Cluster.start();
    const leader = await cluster.leader();
    for (const value of ["a", "b"]) await cluster.append(leader, value);
    await cluster.caughtUp(leader);
    // Until every answer has come.
    await cluster.run(1_000);
    const { id } = cluster.servers.find((each) => each !== leader) ?? leader;
    const { members, status } = leader.running;
    assert.equal(members.matched(id), status.commitIndex);
    const answers = cluster.sent.filter(
      (sent) =>
        sent.kind === "raft" && sent.from === id && sent.message.kind === "appendEntriesResponse",
    );
    const [earliest] = answers;
    assert(earliest !== undefined && answers.length > 1);
    leader.running.receive(earliest);
    await cluster.run(5);
    assert.equal(members.matched(id), status.commitIndex);
    assert(members.isCaughtUp(id));
  });

  test("a leader that is lost is replaced, and nothing acknowledged is", async () => {
    await using cluster = await Cluster.start();
    const first = await cluster.leader();
    await cluster.append(first, "a");
    cluster.crash(first);
    const second = await cluster.leader();
    assert.notEqual(second.id, first.id);
    await cluster.append(second, "b");
    await cluster.open(first);
    await cluster.caughtUp(second);
    for (const server of cluster.servers) {
      assert.deepEqual(await cluster.readAll(server), ["a", "b"]);
    }
  });

  test("all lose their power at once, again and again: what was acknowledged is there (A11)", async () => {
    await using cluster = await Cluster.start();
    const values: string[] = [];
    for (let round = 0; round < 4; round++) {
      const leader = await cluster.leader();
      for (let i = 0; i < 10; i++) {
        values.push(`${round}.${i}`);
        await cluster.append(leader, `${round}.${i}`);
      }
      for (const server of cluster.servers) cluster.crash(server, { keep: "random" });
      for (const server of cluster.servers) await cluster.open(server);
    }
    const leader = await cluster.leader();
    await cluster.caughtUp(leader);
    for (const server of cluster.servers) assert.deepEqual(await cluster.readAll(server), values);
  });

  test("what only a minority had gives way to what a majority agreed on, and nothing else (G10)", async () => {
    await using cluster = await Cluster.start();
    const old = await cluster.leader();
    await cluster.append(old, "a");
    cluster.isolate(old.id);
    const lost = [1, 2, 3].map((i) => old.running.append({ value: new Uint8Array([i]) }));
    const outcomes = Promise.allSettled(lost);
    const next = await cluster.leader(
      ...cluster.servers.map(({ id }) => id).filter((id) => id !== old.id),
    );
    await cluster.append(next, "b");
    cluster.heal();
    await cluster.caughtUp(next);
    for (const outcome of await cluster.wait(outcomes)) {
      assert.equal(outcome.status, "rejected");
      const { code, notAppended } = outcome.reason as { code: string; notAppended: boolean };
      // Whoever led sees that others' entries took the place of his: that is certain, and told.
      assert.deepEqual([code, notAppended], ["UNAVAILABLE", true]);
    }
    await cluster.append(next, "c");
    await cluster.caughtUp(next);
    for (const server of cluster.servers) {
      assert.deepEqual(await cluster.readAll(server), ["a", "b", "c"]);
    }
  });
});
