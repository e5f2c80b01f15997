/** Three real servers on a network that is cut, in one way after another, under load. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { makeFolder } from "../support/program.ts";
import { skipUnless } from "../support/require.ts";
import { ClusterProcesses } from "./support/cluster.ts";
import { Appender, History } from "./support/history.ts";
import { endAlike } from "./support/leader-kills.ts";
import { Network, networkNamespaces } from "./support/netns.ts";

const PLACES = [0, 1, 2] as const;
const LOOK_MS = 20;
const PATIENCE_MS = 30_000;
/** Who leads may change by chance, on a busy machine; who flaps changes all the time. */
const TERMS_MAX = 4;
/** Acknowledged one after the other: many elections could happen meanwhile. */
const MANY = 50;
/** A heartbeat waits for a packet that was lost: a third of a second, and more. */
const SLOW = { bytesPerSecond: 200_000, waitMsMax: 200, lossPercent: 3 };

test(
  "three servers on a network that is cut: nothing acknowledged is lost, and one log says it all",
  skipUnless(networkNamespaces(), "root that may make network namespaces, nftables"),
  async (t) => {
    const network = new Network(3);
    t.after(() => network[Symbol.dispose]());
    await using cluster = await ClusterProcesses.start({ folder: makeFolder(t), network });
    const history = new History();
    const { addresses } = cluster;
    const client = Appender.everywhere(history, addresses, "everywhere");
    const at = addresses.map((address, i) => Appender.through(history, address, `at-${i}`));
    const appenders = [client, ...at];
    const through = (place: number): Appender => at[place] ?? assert.fail();
    const lost: string[] = [];

    /** The leader, and the two others. */
    const roles = async (): Promise<[number, number, number]> => {
      const leader = await cluster.leader();
      return [leader, (leader + 1) % 3, (leader + 2) % 3];
    };
    const anotherLeader = async (old: number): Promise<void> => {
      const end = performance.now() + PATIENCE_MS;
      while ((await cluster.leader()) === old) {
        assert.ok(performance.now() < end, "the majority elects nobody");
        await sleep(LOOK_MS);
      }
    };
    const heal = async (): Promise<void> => {
      network.heal();
      await Promise.all(appenders.map((appender) => appender.progress()));
    };
    /** What comes after one that failed would only fail late. */
    const step = async (name: string, work: (t: TestContext) => Promise<void>): Promise<void> => {
      let isDone = false;
      await t.test(name, async (t) => {
        await work(t);
        isDone = true;
      });
      assert.ok(isDone, name);
    };
    const termsSince = (now: number): number =>
      new Set(client.attempts.filter(({ invokedAt }) => invokedAt > now).map(({ term }) => term))
        .size;

    await Promise.all(appenders.map((appender) => appender.progress()));

    await step("a leader in a minority acknowledges nothing; the majority goes on", async () => {
      const [old, ...others] = await roles();
      for (const other of others) network.cut(old, other);
      const since = history.now;
      await using direct = cluster.only(old);
      const value = "of the minority";
      const { outcome } = await history.append(value, false, () =>
        direct.produce({ value: Buffer.from(value) }),
      );
      assert.equal(outcome, "info", "it was taken, and nobody knows what becomes of it");
      lost.push(value);
      await anotherLeader(old);
      await client.progress(MANY);
      const taken = through(old).attempts.filter(
        (attempt) => attempt.invokedAt > since && attempt.outcome === "ok",
      );
      assert.deepEqual(taken, []);
      await heal();
      assert.notEqual(await cluster.leader(), old, "it follows");
    });

    for (const what of ["what the leader sends", "what the leader is sent"] as const) {
      await step(`${what} is lost: another one leads`, async () => {
        const [old, ...others] = await roles();
        for (const other of others) {
          if (what === "what the leader sends") network.cut(old, other, "one");
          else network.cut(other, old, "one");
        }
        await anotherLeader(old);
        await client.progress(MANY);
        await heal();
      });
    }

    await step("a follower that only the leader does not reach calls no elections", async () => {
      const [leader, follower] = await roles();
      const since = history.now;
      network.cut(leader, follower);
      await client.progress(MANY);
      assert.ok(termsSince(since) <= TERMS_MAX, `${termsSince(since)} terms`);
      await heal();
    });

    await step("a server that is gone behind a cut is missed, and comes back", async () => {
      const [leader, gone, other] = await roles();
      for (const place of [leader, other]) network.cut(gone, place);
      const before = cluster.server(leader).stderr.length;
      // Its connections end for nobody but itself: no packet says so.
      await cluster.end(gone, "SIGKILL");
      await cluster.server(leader).says(/"peer\.connection-ended"/, before);
      network.heal();
      await cluster.run(gone);
      await heal();
    });

    await step(
      "links that are slow and lose packets: it goes on, and leaders do not flap",
      async (t) => {
        const since = history.now;
        for (const place of PLACES) network.slow(place, SLOW);
        await client.progress(MANY);
        t.diagnostic(`${termsSince(since)} terms in ${MANY} appends, one after the other`);
        assert.ok(termsSince(since) <= TERMS_MAX, `${termsSince(since)} terms`);
        await heal();
      },
    );

    await Promise.all(appenders.map((appender) => appender[Symbol.asyncDispose]()));
    assert.deepEqual(
      client.attempts.filter(({ outcome }) => outcome !== "ok"),
      [],
      "who knows all addresses has lost nothing",
    );
    await cluster.untilEven();
    for (const place of PLACES) {
      await using only = cluster.only(place);
      const values = await history.drain(only);
      for (const value of lost) assert.ok(!values.includes(value), `${value} is there`);
    }
    history.check();
    const { length: asked } = history.operations;
    t.diagnostic(`${asked} answers and silences, ${client.attempts.length} of them everywhere's`);
    await endAlike(cluster);
  },
);
