/** Whom the autopilot removes, and whom it does not. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";

import { limits, silentObserver } from "../base/index.ts";
import type { Clock, Configuration } from "../base/index.ts";
import { Autopilot } from "./autopilot.ts";
import type { AutopilotParts } from "./autopilot.ts";

const HOUR_MS = 3_600_000;
const NAMES = ["a", "b", "c", "d", "e"];

/** Replica 1 of five voters leads; time and silence are set by hand. */
class World {
  ms = 0;
  due: (() => void) | undefined;
  isLeading = true;
  /** Since when nothing was heard of a replica. */
  readonly silentSince = new Map<number, number>();
  readonly statuses = new Map<string, string>();
  readonly removed: number[] = [];
  voters = NAMES.map((name, at) => ({ name, replicaId: at + 1 }));
  learners: { readonly name: string; readonly replicaId: number }[] = [];
  #change: (() => void) | undefined;
  readonly autopilot: Autopilot;

  constructor(options: { readonly removeAfterMs?: number; readonly votersMin?: number } = {}) {
    const clock: Clock = {
      now: () => this.ms,
      monotonic: () => this.ms,
      after: (_, callback) => {
        this.due = callback;
        return () => {
          this.due = undefined;
        };
      },
    };
    this.autopilot = new Autopilot({
      ...{ removeAfterMs: HOUR_MS, votersMin: 3, observer: silentObserver, clock },
      ...options,
      replica: this.#replica(),
      membership: {
        members: () => NAMES.map((name) => ({ name, status: this.statuses.get(name) ?? "alive" })),
      } as unknown as AutopilotParts["membership"],
    });
  }

  #replica(): AutopilotParts["replica"] {
    const isLeading = (): boolean => this.isLeading;
    const configuration = (): Configuration => {
      const { voters, learners } = this;
      return { voters, learners, votersOutgoing: [], learnersNext: [], autoLeave: false };
    };
    return {
      replicaId: 1,
      get isLeading() {
        return isLeading();
      },
      get status() {
        return { configuration: configuration() };
      },
      members: {
        silentMs: (id: number) => this.ms - (this.silentSince.get(id) ?? this.ms),
        remove: (id: number) => {
          this.removed.push(id);
          this.voters = this.voters.filter(({ replicaId }) => replicaId !== id);
          this.learners = this.learners.filter(({ replicaId }) => replicaId !== id);
          return Promise.resolve();
        },
      },
      onChange: (listener: () => void) => {
        this.#change = listener;
        return () => undefined;
      },
    } as unknown as AutopilotParts["replica"];
  }

  /** From now on a server is gone, by its links and by gossip. */
  gone(...names: readonly string[]): void {
    for (const name of names) {
      this.silentSince.set(NAMES.indexOf(name) + 1, this.ms);
      this.statuses.set(name, "failed");
    }
  }

  lead(isLeading: boolean): void {
    this.isLeading = isLeading;
    this.#change?.();
  }

  async pass(ms: number): Promise<void> {
    const end = this.ms + ms;
    while (this.ms < end) {
      this.ms = Math.min(end, this.ms + limits.autopilotIntervalMs);
      this.due?.();
      await turn();
    }
  }
}

describe("the autopilot", () => {
  test("removes who is gone for long, one after the other, and stops at the floor", async () => {
    const world = new World();
    world.gone("d", "e");
    await world.pass(HOUR_MS - limits.autopilotIntervalMs);
    assert.deepEqual(world.removed, []);
    await world.pass(limits.autopilotIntervalMs);
    assert.deepEqual(world.removed, [4]);
    await world.pass(limits.autopilotIntervalMs);
    assert.deepEqual(world.removed, [4, 5]);
    world.gone("c");
    await world.pass(3 * HOUR_MS);
    assert.deepEqual(world.removed, [4, 5], "three voters stay");
  });

  test("removes nobody unless it is asked to", async () => {
    const world = new World({ removeAfterMs: 0 });
    world.gone("d", "e");
    await world.pass(3 * HOUR_MS);
    assert.deepEqual(world.removed, []);
  });

  test("a broken link alone is no reason, and neither is gossip alone", async () => {
    const world = new World();
    world.gone("b", "c");
    world.statuses.set("b", "alive");
    world.silentSince.delete(3);
    await world.pass(3 * HOUR_MS);
    assert.deepEqual(world.removed, []);
    world.statuses.set("b", "left");
    await world.pass(limits.autopilotIntervalMs);
    assert.deepEqual(world.removed, [2]);
  });

  test("who has just begun to lead has heard of nobody yet", async () => {
    const world = new World();
    world.gone("e");
    world.lead(false);
    await world.pass(3 * HOUR_MS);
    assert.deepEqual(world.removed, []);
    world.lead(true);
    await world.pass(HOUR_MS / 2);
    assert.deepEqual(world.removed, []);
    await world.pass(HOUR_MS / 2);
    assert.deepEqual(world.removed, [5]);
  });

  test("nobody goes while those who would be left have no majority that is heard of", async () => {
    const world = new World({ votersMin: 1 });
    world.gone("b", "c", "d", "e");
    await world.pass(3 * HOUR_MS);
    assert.deepEqual(world.removed, []);
    world.silentSince.delete(2);
    world.silentSince.delete(3);
    await world.pass(limits.autopilotIntervalMs);
    assert.deepEqual(world.removed, [4]);
  });

  test("a learner that is gone goes, whatever the floor: it counts in no majority", async () => {
    const world = new World({ votersMin: 5 });
    world.learners = world.voters.splice(4);
    world.gone("d", "e");
    await world.pass(2 * HOUR_MS);
    assert.deepEqual(world.removed, [5]);
  });

  test("does nothing after its end", async () => {
    const world = new World();
    world.gone("e");
    await world.autopilot.close();
    await world.pass(2 * HOUR_MS);
    assert.deepEqual(world.removed, []);
  });
});
