import { below, chance, ProglogError, type Random } from "../../src/base/index.ts";
import type { Replica } from "../../src/replica/index.ts";
import type { World } from "../world/index.ts";
import type { Recorder } from "../workload/recorder.ts";

/** No answer for so long: nobody knows. */
const PATIENCE_MS = 2_000;

export type Outcome<T> = { readonly value: T } | { readonly failed: ProglogError | "timeout" };

/** What a client has. */
export interface ClientParts {
  readonly world: World;
  readonly asker: Asker<ServedLog>;
  readonly recorder: Recorder;
}

/** The log as a client of one server sees it. */
export type ServedLog = Pick<
  Replica,
  "append" | "createProducer" | "read" | "readBarrier" | "lowestOffset" | "highWatermark"
>;

/** A server that may be asked, if it runs. */
interface Reachable<Served> {
  call(action: (served: Served) => void, isClient: boolean): void;
}

/** The servers that clients know. */
export interface Servers<Served> {
  readonly machines: readonly number[];
  machine(number: number): Reachable<Served>;
  leader(): Reachable<Served> | undefined;
}

/** Puts questions to servers, and waits for an answer as long as a client does. */
export class Asker<Served> {
  readonly #world: World;
  readonly #servers: Servers<Served>;
  readonly #random: Random;
  readonly #leaderChance: number | undefined;

  /** `leaderChance`: how often the one that leads is asked, whatever who asks says. */
  constructor(world: World, servers: Servers<Served>, leaderChance?: number) {
    this.#world = world;
    this.#servers = servers;
    this.#random = world.random("asker");
    this.#leaderChance = leaderChance;
  }

  /** Asks a server, mostly the one that leads; tells what came of it, once. */
  ask<T>(
    question: (served: Served) => Promise<T>,
    answered: (outcome: Outcome<T>, served: Served | undefined) => void,
    leaderChance = 0.8,
  ): void {
    const asked = new Asked(this.#world, answered);
    const leader = chance(this.#random, this.#leaderChance ?? leaderChance)
      ? this.#servers.leader()
      : undefined;
    const { machines } = this.#servers;
    const machine =
      leader ?? this.#servers.machine(machines[below(this.#random, machines.length)] as number);
    machine.call((served) => {
      question(served).then(
        (value) => asked.answer({ value }, served),
        (error: unknown) => {
          if (!(error instanceof ProglogError)) throw error;
          asked.answer({ failed: error }, served);
        },
      );
    }, true);
  }
}

/** A question that is open until the first answer, or for as long as a client is patient. */
class Asked<T, Served> {
  readonly #answered: (outcome: Outcome<T>, served: Served | undefined) => void;
  readonly #cancel: () => void;
  #isOpen = true;

  constructor(world: World, answered: (outcome: Outcome<T>, served: Served | undefined) => void) {
    this.#answered = answered;
    this.#cancel = world.after(PATIENCE_MS, () => this.answer({ failed: "timeout" }));
  }

  answer(outcome: Outcome<T>, served?: Served): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#cancel();
    this.#answered(outcome, served);
  }
}

/** The class of an append's outcome (what may be in the log must not be called refused). */
export function outcomeOf(
  outcome: Outcome<{ readonly baseOffset: number }>,
): number | "fail" | "info" {
  if ("value" in outcome) return outcome.value.baseOffset;
  return outcome.failed !== "timeout" && outcome.failed.notAppended ? "fail" : "info";
}
