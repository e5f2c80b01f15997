import { below, chance, ProglogError, type Random } from "../../src/base/index.ts";
import type { Replica } from "../../src/replica/index.ts";
import type { World } from "../world/index.ts";
import type { Recorder } from "../workload/recorder.ts";
import type { ReplicaCluster } from "./cluster.ts";

/** No answer for so long: nobody knows. */
const PATIENCE_MS = 2_000;

export type Outcome<T> = { readonly value: T } | { readonly failed: ProglogError | "timeout" };

/** What a client has. */
export interface ClientParts {
  readonly world: World;
  readonly asker: Asker;
  readonly recorder: Recorder;
}

/** Puts questions to replicas, and waits for an answer as long as a client does. */
export class Asker {
  readonly #world: World;
  readonly #cluster: ReplicaCluster;
  readonly #random: Random;

  constructor(world: World, cluster: ReplicaCluster) {
    this.#world = world;
    this.#cluster = cluster;
    this.#random = world.random("asker");
  }

  /** Asks a replica, mostly the one that leads; tells what came of it, once. */
  ask<T>(
    question: (replica: Replica) => Promise<T>,
    answered: (outcome: Outcome<T>, replica: Replica | undefined) => void,
    leaderChance = 0.8,
  ): void {
    let isOpen = true;
    const answer = (outcome: Outcome<T>, replica?: Replica): void => {
      if (!isOpen) return;
      isOpen = false;
      cancel();
      answered(outcome, replica);
    };
    const cancel = this.#world.after(PATIENCE_MS, () => answer({ failed: "timeout" }));
    const leader = chance(this.#random, leaderChance) ? this.#cluster.leader() : undefined;
    const { machines } = this.#cluster;
    const machine =
      leader ?? this.#cluster.machine(machines[below(this.#random, machines.length)] as number);
    machine.call((replica) => {
      question(replica).then(
        (value) => answer({ value }, replica),
        (error: unknown) => {
          if (!(error instanceof ProglogError)) throw error;
          answer({ failed: error }, replica);
        },
      );
    }, true);
  }
}

/** The class of an append's outcome (what may be in the log must not be called refused). */
export function outcomeOf(
  outcome: Outcome<{ readonly baseOffset: number }>,
): number | "fail" | "info" {
  if ("value" in outcome) return outcome.value.baseOffset;
  return outcome.failed !== "timeout" && outcome.failed.notAppended ? "fail" : "info";
}
