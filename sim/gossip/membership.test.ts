/** Whole clusters: what SWIM and Serf promise must hold for everybody at once, whatever the network does. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { type GossipEvent, PROFILES } from "../../src/gossip/index.ts";
import type { Cluster } from "./index.ts";
import { type SimulatedMember, startCluster } from "./index.ts";
import { measureSpeed } from "./measure.ts";

const { probeIntervalMs, gossipIntervalMs } = PROFILES.lan;

/** The longest that a death stays unknown to its first finder and is then suspected. */
function detectionMsMax(members: number): number {
  const shortest = 4 * Math.max(1, Math.log10(members)) * probeIntervalMs;
  // A probe of somebody else may be under way; a round of probes is over after as many intervals.
  return (2 * members - 1) * probeIntervalMs + 6 * shortest;
}

/** Rounds of gossip in which everybody hears something: the logarithm, with room for chance. */
function roundsMax(members: number): number {
  return 3 * Math.ceil(Math.log2(members + 1));
}

for (const members of [5, 20, 100]) {
  describe(`${members} members`, () => {
    const seeds = members > 50 ? [1] : [1, 2, 3];
    const speeds = seeds.map((seed) => () => measureSpeed(members, seed));
    for (const [index, measure] of speeds.entries()) {
      test(`everybody learns of a join, a leave and a death in time, seed ${seeds[index] ?? 0}`, () => {
        const speed = measure();
        assert.ok(speed.detectedMs <= detectionMsMax(members), `${speed.detectedMs} ms`);
        const rounds = [speed.joinToldMs, speed.leaveToldMs, speed.failureToldMs].map(
          (ms) => ms / gossipIntervalMs,
        );
        assert.ok(Math.max(...rounds) <= roundsMax(members), `${rounds.join(", ")} rounds`);
      });
    }
  });
}

interface Told {
  readonly ms: number;
  readonly by: string;
  readonly kind: string;
  readonly about: string;
}

/** A cluster that keeps what its members told after it had begun. */
function watched(
  members: number,
  seed: number,
  loss = 0,
): { readonly cluster: Cluster; readonly told: Told[] } {
  const told: Told[] = [];
  const clock: { ms: () => number } = { ms: () => NaN };
  const onEvent = (event: GossipEvent, at: SimulatedMember): void => {
    if (!("member" in event)) return;
    told.push({ ms: clock.ms(), by: at.name, kind: event.kind, about: event.member.name });
  };
  const cluster = startCluster(members, { seed, loss, onEvent });
  clock.ms = () => cluster.nowMs;
  told.length = 0;
  return { cluster, told };
}

/** Whether every live member sees every other as alive, soon. */
function assertAllAlive(cluster: Cluster, msMax: number): void {
  const took = cluster.runUntil(() => cluster.converged(), msMax, 200);
  assert.notEqual(took, undefined, "somebody alive is not seen as alive");
}

describe("the living", () => {
  test("a quiet cluster suspects nobody", () => {
    const { cluster, told } = watched(30, 1);
    cluster.run(300_000);
    assert.deepEqual(told, []);
  });

  test("who is accused by everybody at once refutes it", () => {
    for (const kind of ["suspect", "dead"] as const) {
      const { cluster } = watched(20, 2);
      for (const { name } of cluster.live()) {
        if (name === "m7") continue;
        cluster.with(name, (gossip) => {
          const accusation = { kind, name: "m7", incarnation: 1, from: "x" } as const;
          gossip.step({ kind: "packet", from: cluster.get(name).address, messages: [accusation] });
        });
      }
      assertAllAlive(cluster, 30_000);
      cluster.run(60_000);
      assert.ok(cluster.converged());
      assert.equal(cluster.get("m7").gossip.status().incarnation, 2, "once");
    }
  });

  test("who stood still for two seconds is not declared dead; for a minute, and comes back", () => {
    const { cluster, told } = watched(10, 3);
    for (let turn = 0; turn < 10; turn++) {
      cluster.pause(`m${turn}`, 2_000);
      cluster.run(5_000);
    }
    assert.deepEqual(told, []);
    cluster.pause("m3", 60_000);
    cluster.run(60_000);
    assert.ok(told.some(({ kind, about }) => kind === "failed" && about === "m3"));
    assertAllAlive(cluster, 60_000);
  });

  test("both sides of a partition see the other fail, and find each other again", () => {
    const { cluster } = watched(12, 4);
    const names = [...cluster.members.keys()];
    cluster.network.partition(names.slice(0, 7), names.slice(7));
    cluster.run(120_000);
    assert.equal(cluster.get("m0").gossip.status().membersByStatus.failed, 5);
    assert.equal(cluster.get("m8").gossip.status().membersByStatus.failed, 7);
    cluster.network.partition();
    assertAllAlive(cluster, 180_000);
  });

  test("a third of all packets is lost, and everybody is alive again and again", () => {
    const { cluster } = watched(20, 5, 0.3);
    cluster.run(120_000);
    cluster.network.options = { ...cluster.network.options, loss: 0 };
    assertAllAlive(cluster, 30_000);
  });

  test("a killed member that starts anew, with nothing remembered, is taken back", () => {
    const { cluster, told } = watched(8, 6);
    for (const downMs of [500, 20_000, 100_000]) {
      cluster.kill("m5");
      cluster.run(downMs);
      cluster.add("m5");
      cluster.join("m5", "m2");
      assertAllAlive(cluster, 30_000);
      cluster.run(30_000);
      assert.ok(cluster.converged());
    }
    assert.ok(!told.some(({ kind }) => kind === "leave"));
  });
});

describe("who crashed and comes back at another address", () => {
  for (const members of [2, 3, 6]) {
    test(`is taken back by ${members - 1} others, as soon as they have noticed the crash`, () => {
      for (const downMs of [100, 3_000, 15_000, 100_000]) {
        const lost: string[] = [];
        const cluster = startCluster(members, {
          seed: 15,
          onEvent: ({ kind }, { name }) => {
            if (kind === "conflict-lost") lost.push(name);
          },
        });
        const name = `m${members - 1}`;
        cluster.kill(name);
        cluster.run(downMs);
        cluster.move(name);
        cluster.join(name, "m0");
        const isBack = (): boolean =>
          cluster.converged() &&
          cluster.live().every(({ gossip }) => gossip.member(name)?.address.port === 7_947);
        const took = cluster.runUntil(isBack, 60_000);
        const mayTake = detectionMsMax(members) + 1_000;
        assert.ok(took !== undefined && took <= mayTake, `after ${downMs} ms: ${took} ms`);
        cluster.run(60_000);
        assert.ok(isBack());
        assert.deepEqual(lost, [], "its former self is no reason to stop");
      }
    });
  }

  test("all at once", () => {
    const { cluster } = watched(3, 16);
    const names = ["m0", "m1", "m2"];
    for (const name of names) cluster.kill(name);
    cluster.run(1_000);
    for (const name of names) cluster.move(name);
    for (const name of names) cluster.join(name, "m0");
    assertAllAlive(cluster, 10_000);
  });
});

describe("those who left", () => {
  test("are left for everybody, and no failure is seen", () => {
    const { cluster, told } = watched(20, 7);
    cluster.with("m4", (gossip) => gossip.leave());
    cluster.run(60_000);
    assert.deepEqual(
      new Set(told.map(({ kind, about }) => `${kind} ${about}`)),
      new Set(["leave m4"]),
    );
    assert.equal(told.length, 20);
  });

  test("stay so, even when one who was cut off all the time comes back", () => {
    for (const seed of [8, 9, 10]) {
      const { cluster, told } = watched(10, seed);
      cluster.network.partition([], ["m9"]);
      cluster.run(1_000);
      cluster.with("m4", (gossip) => gossip.leave());
      cluster.run(90_000);
      cluster.network.partition();
      cluster.run(200_000);
      const returned = told.filter(({ kind, about }) => kind === "join" && about === "m4");
      assert.deepEqual(returned, []);
      assert.equal(cluster.get("m9").statusOf("m4"), "left");
      assert.ok(cluster.converged());
    }
  });

  test("can come back, with their name and a low incarnation, after whatever time", () => {
    for (const awayMs of [5_000, 100_000]) {
      const { cluster } = watched(8, 11);
      cluster.with("m4", (gossip) => gossip.leave());
      cluster.run(awayMs);
      cluster.add("m4", 7_947);
      cluster.join("m4", "m1");
      assertAllAlive(cluster, 30_000);
      cluster.run(30_000);
      assert.ok(cluster.converged());
    }
  });
});

describe("everybody", () => {
  test("hears an event and answers a query, also where packets are lost", () => {
    for (const loss of [0, 0.1]) {
      const heard = new Set<string>();
      const answers = new Set<string>();
      const clusters: Cluster[] = [];
      const cluster = startCluster(40, {
        seed: 12,
        loss,
        onEvent: (event, at) => {
          if (event.kind === "user") heard.add(at.name);
          if (event.kind === "query-response") answers.add(event.from);
          if (event.kind === "query") {
            clusters[0]?.with(at.name, (gossip) => gossip.respond(event.query, new Uint8Array(3)));
          }
        },
      });
      clusters.push(cluster);
      cluster.with("m1", (gossip) => {
        gossip.userEvent("deploy", Uint8Array.of(1));
        gossip.query({ name: "load", payload: new Uint8Array(), relayFactor: 2 });
      });
      cluster.run(8_000);
      assert.equal(heard.size, 40);
      assert.equal(answers.size, 40);
    }
  });

  test("with one seed one run, to the last event", () => {
    const run = (): Told[] => {
      const { cluster, told } = watched(10, 13, 0.2);
      cluster.kill("m3");
      cluster.run(30_000);
      cluster.with("m5", (gossip) => gossip.leave());
      cluster.run(30_000);
      return told;
    };
    assert.deepEqual(run(), run());
  });

  test("two with one name: the one whom the others do not know stops", () => {
    const lost: string[] = [];
    const cluster = startCluster(6, {
      seed: 14,
      onEvent: (event, at) => {
        if (event.kind === "conflict-lost") lost.push(`${at.name}:${at.address.port}`);
      },
    });
    cluster.addTwin("m2", 9_999);
    cluster.join("m2", "m0");
    cluster.run(30_000);
    assert.deepEqual(new Set(lost), new Set(["m2:9999"]));
    assert.equal(cluster.get("m0").gossip.member("m2")?.address.port, 7_946);
  });
});
