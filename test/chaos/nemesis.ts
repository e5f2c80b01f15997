import { below, seededRandom } from "../../src/base/index.ts";
import type { Random } from "../../src/base/index.ts";
import { Atlas } from "./atlas.ts";
import { diskFaults } from "./faults/disk.ts";
import { MEMBER_FAULTS } from "./faults/members.ts";
import { NETWORK_FAULTS } from "./faults/network.ts";
import { PROCESS_FAULTS } from "./faults/process.ts";
import { LANES, Stage } from "./faults/stage.ts";
import type { Fault, FaultEvent, Lane, StageParts } from "./faults/stage.ts";

/** Between two faults of a lane. */
const GAP_MS_MIN = 300;
const GAP_MS_MAX = 3_000;

export interface NemesisOptions extends Omit<StageParts, "random"> {
  readonly seed: number;
  /** Kinds; absent: all that this machine can do. */
  readonly only?: readonly string[] | undefined;
}

/** Lets things go wrong, in an order that follows from the seed, until it is told that the storm is over. */
export class Nemesis {
  readonly events: FaultEvent[] = [];
  /** Kinds that may happen, and those that this machine cannot do, with what it lacks. */
  readonly possible: readonly Fault[];
  readonly missing: Readonly<Record<string, string>>;
  readonly #options: NemesisOptions;

  constructor(options: NemesisOptions) {
    const { lab, watch, only } = options;
    this.#options = options;
    const disk = diskFaults(new Atlas(lab, watch));
    const all = [...NETWORK_FAULTS, ...PROCESS_FAULTS, ...disk, ...MEMBER_FAULTS];
    const unknown = only?.find((kind) => !all.some((fault) => fault.kind === kind));
    if (unknown !== undefined) throw new Error(`no fault is called "${unknown}"`);
    const chosen = all.filter(({ kind }) => only?.includes(kind) ?? true);
    const lacking = chosen.flatMap(({ kind, missing }) => {
      const what = missing?.(lab);
      return what === undefined ? [] : [[kind, what] as const];
    });
    this.missing = Object.fromEntries(lacking);
    this.possible = chosen.filter(({ kind }) => !(kind in this.missing));
  }

  /** Resolves when the storm is over and what it began has ended. */
  async run(): Promise<void> {
    await Promise.all(
      LANES.map((lane, n) => this.#runLane(lane, seededRandom(laneSeed(this.#options.seed, n)))),
    );
  }

  /** All kinds of a lane in a random order, again and again. */
  async #runLane(lane: Lane, random: Random): Promise<void> {
    const deck = this.possible.filter((fault) => fault.lane === lane);
    while (deck.length > 0 && !this.#options.signal.aborted) {
      for (const fault of shuffled(deck, random)) {
        const stage = new Stage({ ...this.#options, random });
        await stage.hold(GAP_MS_MIN, GAP_MS_MAX);
        if (stage.isOver) return;
        await this.#play(fault, stage);
      }
    }
  }

  async #play({ kind, lane, run }: Fault, stage: Stage): Promise<void> {
    const beganMs = this.#options.history.nowMs;
    const event: FaultEvent = { kind, lane, target: "", beganMs, endedMs: undefined };
    const happened = await run(stage);
    if (!happened) return;
    event.target = stage.target;
    event.endedMs = this.#options.history.nowMs;
    this.events.push(event);
  }
}

function laneSeed(seed: number, lane: number): number {
  return seed * LANES.length + lane;
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const left = [...items];
  return items.map(() => left.splice(below(random, left.length), 1)[0] as T);
}
