import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { seededRandom, below, ProglogError, silentObserver } from "../base/index.ts";
import type { ConfigurationMember, Random } from "../base/index.ts";
import type { Proposal } from "../replica/index.ts";
import type { PeerCalls } from "../transport/index.ts";
import { Bootstrapper } from "./bootstrapper.ts";

type Handler = Parameters<PeerCalls["handle"]>[1];

/** A server's disk and its process, which may be killed; calls to it may be lost on either way. */
class Machine {
  readonly member: ConfigurationMember;
  /** What it is made of now, and after its next start. */
  file: Uint8Array | undefined;
  clusterId = "";
  members: readonly string[] = [];
  handlers = new Map<string, Handler>();
  process: Bootstrapper | undefined;
  life = 0;
  /** Its identity cannot be written any more. */
  isBroken = false;
  readonly failures: string[] = [];
  /** Whom gossip shows to it. */
  view: readonly Machine[] = [];

  constructor(name: string, replicaId: number) {
    this.member = { name, replicaId };
  }
}

interface World {
  readonly random: Random;
  readonly expect: number;
  /** One in so many calls is lost, one in so many saves kills the server. */
  readonly lossIn: number;
  readonly killIn: number;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Everything takes a few turns of the event loop, so that all of it can happen in any order. */
async function takeTurns({ random }: World): Promise<void> {
  for (let turns = below(random, 4); turns >= 0; turns--) await turn();
}

async function start(machine: Machine, machines: readonly Machine[], world: World): Promise<void> {
  const life = ++machine.life;
  const isAlive = (): boolean => machine.life === life;
  const handlers = new Map<string, Handler>();
  const { random, lossIn, killIn } = world;
  const isLost = (): boolean => lossIn > 0 && below(random, lossIn) === 0;
  const unavailable = (): never => {
    throw new ProglogError("UNAVAILABLE", "it cannot be reached");
  };
  const opening = Bootstrapper.open({
    own: machine.member,
    expect: world.expect,
    observer: silentObserver,
    random,
    clock: {
      now: () => 0,
      monotonic: () => 0,
      after: (_ms, callback) => {
        let isCancelled = false;
        void takeTurns(world).then(() => {
          if (!isCancelled) callback();
        });
        return () => (isCancelled = true);
      },
    },
    calls: {
      handle: (method, handler) => void handlers.set(method, handler),
      call: async (to, method, payload) => {
        await takeTurns(world);
        const other = machines.find(({ member }) => member.replicaId === to.replicaId);
        const handler = other?.handlers.get(method);
        if (!isAlive() || handler === undefined || isLost()) unavailable();
        const identity = { clusterName: "c", clusterId: "", featureLevelMax: 0, damaged: false };
        const answer = await handler?.(payload, { ...identity, ...machine.member });
        await takeTurns(world);
        if (!isAlive() || isLost() || answer === undefined) return unavailable();
        return answer;
      },
    },
    seen: () => machine.view.map(({ member }) => member),
    hasState: () => machine.clusterId !== "",
    store: {
      load: () => Promise.resolve(machine.file),
      save: async (bytes) => {
        await takeTurns(world);
        if (!isAlive()) return unavailable();
        const isKilled = killIn > 0 && below(random, killIn) === 0;
        // A kill just before the file is in its place, or just after.
        if (!isKilled || below(random, 2) === 0) machine.file = bytes;
        if (isKilled) {
          void stop(machine).then(() => start(machine, machines, world));
          return unavailable();
        }
      },
    },
    adopt: (proposal: Proposal) => {
      if (!isAlive()) return Promise.resolve();
      if (machine.isBroken) return Promise.reject(new ProglogError("STORAGE_FAILED", "EIO"));
      assert.ok(machine.clusterId === "" || machine.clusterId === proposal.clusterId);
      machine.clusterId = proposal.clusterId;
      machine.members = proposal.members.map(({ name }) => name);
      return Promise.resolve();
    },
    onFailure: ({ code }) => void machine.failures.push(code),
  });
  const opened = await opening.catch((error: unknown) => {
    // Killed while it started.
    if (isAlive()) throw error;
  });
  if (!isAlive() || opened === undefined) {
    await opened?.close();
    return;
  }
  machine.handlers = handlers;
  machine.process = opened;
  opened.begin();
}

async function stop(machine: Machine): Promise<void> {
  machine.life += 1;
  machine.handlers = new Map();
  const { process } = machine;
  machine.process = undefined;
  await process?.close().catch(() => undefined);
}

function machinesOf(count: number): Machine[] {
  return Array.from({ length: count }, (_, at) => new Machine("abcdefg".charAt(at), at + 1));
}

function see(machines: readonly Machine[], views: Readonly<Record<string, string>>): void {
  for (const machine of machines) {
    const seen = views[machine.member.name] ?? "";
    machine.view = machines.filter(
      (other) => other !== machine && seen.includes(other.member.name),
    );
  }
}

async function until(isSo: () => boolean): Promise<void> {
  for (let turns = 0; !isSo(); turns++) {
    assert.ok(turns < 100_000, "it does not come to be");
    await turn();
  }
}

const clusterIds = (machines: readonly Machine[]): Set<string> =>
  new Set(machines.map(({ clusterId }) => clusterId).filter((id) => id !== ""));

describe("servers that expect each other", () => {
  test("become one cluster, of the first by name", async () => {
    const machines = machinesOf(4);
    see(machines, { a: "abcd", b: "abcd", c: "abcd", d: "abcd" });
    const world = { random: seededRandom(1), expect: 3, lossIn: 0, killIn: 0 };
    await Promise.all(machines.map((machine) => start(machine, machines, world)));
    await until(() => machines.slice(0, 3).every(({ clusterId }) => clusterId !== ""));
    assert.equal(clusterIds(machines).size, 1);
    assert.deepEqual(machines[0]?.members, ["a", "b", "c"]);
    assert.equal(machines[3]?.clusterId, "");
    await Promise.all(machines.map(stop));
  });

  test("who was let into a cluster while it asked the others proposes none", async () => {
    const machines = machinesOf(2);
    see(machines, { a: "b" });
    const world = { random: seededRandom(1), expect: 2, lossIn: 0, killIn: 0 };
    const [a, b] = machines as [Machine, Machine];
    await start(b, machines, world);
    const ask = b.handlers.get("bootstrapAsk") ?? assert.fail("it answers");
    b.handlers.set("bootstrapAsk", (payload, caller) => {
      a.clusterId = "of its leader";
      return ask(payload, caller);
    });
    await start(a, machines, world);
    await until(() => a.clusterId !== "");
    for (let turns = 0; turns < 300; turns++) await turn();
    assert.equal(a.file, undefined);
    assert.equal(b.file, undefined);
    await Promise.all(machines.map(stop));
  });

  test("one whose disk fails when it hears that the cluster is made says so", async () => {
    const machines = machinesOf(2);
    see(machines, { a: "b" });
    const world = { random: seededRandom(1), expect: 2, lossIn: 0, killIn: 0 };
    const [a, b] = machines as [Machine, Machine];
    b.isBroken = true;
    await start(b, machines, world);
    await start(a, machines, world);
    // It is told, and does not ask.
    a.handlers.delete("bootstrapOutcome");
    await until(() => a.clusterId !== "" && b.failures.length > 0);
    assert.deepEqual(b.failures, ["STORAGE_FAILED"]);
    assert.equal(b.clusterId, "");
    await Promise.all(machines.map(stop));
  });

  test("one whose disk fails before it proposes says so, once, as an error of ours", async () => {
    const failures: ProglogError[] = [];
    let failed: () => void = () => undefined;
    const hasFailed = new Promise<void>((resolve) => (failed = resolve));
    const other = { name: "b", replicaId: 2 };
    const bootstrapper = await Bootstrapper.open({
      own: { name: "a", replicaId: 1 },
      expect: 2,
      observer: silentObserver,
      calls: { handle: () => undefined, call: () => Promise.resolve(Uint8Array.of(0, 2)) },
      clock: {
        now: () => 0,
        monotonic: () => 0,
        after: (_ms, callback) => {
          const timer = setImmediate(callback);
          return () => clearImmediate(timer);
        },
      },
      seen: () => [other],
      hasState: () => false,
      store: {
        load: () => Promise.resolve(undefined),
        save: () => Promise.reject(Object.assign(new Error("EIO"), { code: "EIO" })),
      },
      adopt: () => Promise.resolve(),
      onFailure: (error) => {
        failures.push(error);
        failed();
      },
    });
    bootstrapper.begin();
    await hasFailed;
    // Rejects with what nobody awaits if the failure is not one of ours.
    await bootstrapper.close();
    assert.deepEqual(
      failures.map(({ code }) => code),
      ["STORAGE_FAILED"],
    );
  });

  test("what the replica agreed to that was in this directory before binds nobody", async () => {
    const machines = machinesOf(2);
    see(machines, { a: "b" });
    const world = { random: seededRandom(1), expect: 2, lossIn: 0, killIn: 0 };
    await Promise.all(machines.map((machine) => start(machine, machines, world)));
    await until(() => machines.every(({ clusterId }) => clusterId !== ""));
    const { file } = machines[1] ?? assert.fail("it is there");
    await Promise.all(machines.map(stop));
    const next = new Machine("b", 7);
    next.file = file;
    await start(next, [next], world);
    assert.equal(next.clusterId, "");
    assert.notEqual(next.file, file);
    await stop(next);
  });

  for (let seed = 1; seed <= 40; seed++) {
    test(`five, expect 3, split views, losses and kills: one cluster id (seed ${seed})`, async () => {
      const machines = machinesOf(5);
      // Three want to make it: a of a, b, c; b of b, c, d; c of c, d, e.
      see(machines, { a: "abc", b: "bcd", c: "cde", d: "bcde", e: "cde" });
      const random = seededRandom(seed);
      const world = { random, expect: 3, lossIn: 8, killIn: 12 };
      await Promise.all(machines.map((machine) => start(machine, machines, world)));
      // Until somebody has one, and then as long again, so that a second could come to be.
      await until(() => clusterIds(machines).size > 0);
      for (let turns = 0; turns < 300; turns++) await turn();
      assert.equal(clusterIds(machines).size, 1);
      const [made] = machines.filter(({ members }) => members.length > 0);
      const named = machines.filter(({ member }) => made?.members.includes(member.name));
      // Whoever said yes hears in the end that it is so.
      await until(() => named.every(({ clusterId }) => clusterId !== ""));
      assert.equal(clusterIds(machines).size, 1);
      await Promise.all(machines.map(stop));
    });
  }
});
