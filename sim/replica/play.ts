import {
  checkDrain,
  checkHistory,
  checkNotVacuous,
  checkSequences,
  checkSessions,
  type Holding,
  type LogStart,
  type Sequenced,
  type Session,
  type Violation,
  type Watch,
} from "../checkers/index.ts";
import { CONVERGENCE_MS, outcomeOf, violationOf, type RunResult } from "../outcome.ts";
import { collectRejections } from "../rejections.ts";
import type { Recorder } from "../workload/recorder.ts";
import { Turn, type World } from "../world/index.ts";
import { drain, type Drained } from "./drain.ts";

/** One seed in so many looks for rejections that nobody awaits after every event. */
const STRICT_SEEDS = 8;

/** Those who are looked at after every event: replicas, or whole servers. */
interface Watched {
  readonly violations: Violation[];
  readonly watch: Watch;
  readonly logStart: LogStart;
  observe(): void;
}

/** Those who appended and read, and wrote down what they were told. */
interface Witnesses {
  readonly recorder: Recorder;
  readonly sessions: readonly Session[];
  sequencesIn(holdings: readonly Holding[]): Sequenced[];
}

/** Event after event, each followed to its end and looked at, until something is violated; then the verdict. */
export class Play {
  readonly #world: World;
  readonly #watched: Watched;
  readonly #turn: Turn;
  #events = 0;

  constructor(world: World, watched: Watched, options: { seed: number; isStrict?: boolean }) {
    this.#world = world;
    this.#watched = watched;
    this.#turn = new Turn(options.isStrict ?? options.seed % STRICT_SEEDS === 0);
  }

  get isClean(): boolean {
    return this.#watched.violations.length === 0;
  }

  /** What is thrown by the acts, and every rejection that nobody awaits, is a violation. */
  async run(acts: () => Promise<void>): Promise<void> {
    const restore = collectRejections((error) => this.#violated(error));
    try {
      await acts();
      await this.#turn.loop();
    } finally {
      restore();
    }
  }

  async until(untilMs: number, isEnough: () => boolean = () => false): Promise<void> {
    const next = (): boolean => {
      if (!this.isClean || isEnough() || !this.#world.step(untilMs)) return false;
      this.#events += 1;
      return true;
    };
    try {
      await this.#turn.run(next, () => this.#watched.observe());
    } catch (error) {
      this.#violated(error);
    }
  }

  /** Reads everything that everybody holds, and holds it against what was told. */
  async judge(machines: readonly Drained[], witnesses: Witnesses): Promise<void> {
    const { violations, watch, logStart } = this.#watched;
    const { operations, acknowledged, appends, reads } = witnesses.recorder;
    const drained = drain(machines);
    let isDone = false;
    const hasEnded = (): boolean => isDone;
    drained.then(
      () => (isDone = true),
      (error: unknown) => this.#violated(error),
    );
    await this.until(this.#world.nowMs + CONVERGENCE_MS, hasEnded);
    if (!this.isClean) return;
    if (!hasEnded()) {
      violations.push({ rule: "I11", message: "the replicas cannot be read to their end" });
      return;
    }
    const holdings = await drained;
    for (const { replica, from } of holdings) logStart.settled(replica, from);
    const next = Math.max(...holdings.map(({ from, values }) => from + values.length));
    const leaders = watch.elections.leaders.size;
    violations.push(
      ...checkHistory(operations),
      ...checkDrain(holdings, next, acknowledged),
      ...checkSessions(witnesses.sessions),
      ...checkSequences(witnesses.sequencesIn(holdings)),
      ...checkNotVacuous({ appends, reads, acknowledged: acknowledged.size, leaders }),
    );
  }

  result({ recorder }: Witnesses): RunResult {
    return {
      ...outcomeOf(this.#world, this.#watched.violations),
      events: this.#events,
      appends: recorder.appends,
      acknowledged: recorder.acknowledged.size,
      leaders: this.#watched.watch.elections.leaders.size,
    };
  }

  #violated(error: unknown): void {
    this.#watched.violations.push(violationOf(error));
  }
}
