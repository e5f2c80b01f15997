import type { Violation } from "../checkers/index.ts";
import { violationOf } from "../outcome.ts";
import { Turn, type Swarm, type World } from "../world/index.ts";

/** No faults but those of the script. */
export const QUIET: Swarm = {
  network: {
    delayMsMin: 0.5,
    delayMsMean: 0.5,
    lossChance: 0,
    duplicateChance: 0,
    ordered: true,
  },
  syncMsMean: 1,
  crashes: 0,
  powerCuts: 0,
  pauses: 0,
  partitions: 0,
  clogs: 0,
  resets: 0,
  transfers: 0,
  membershipChanges: 0,
  damages: 0,
  diskErrors: 0,
  load: 1,
  tiny: true,
  tickMs: 10,
  fullDisks: 0,
  writeBacks: 0,
  deletions: 0,
  catchUpBytesPerSecond: 0,
};

/** What a script plays with. */
export interface Stage {
  readonly violations: Violation[];
  /** Shows the checkers what has changed. */
  observe(): void;
}

/** Time goes as far as a script says, and the checkers look at each step. */
export class Script {
  readonly world: World;
  readonly #stage: Stage;
  readonly #turn: Turn = new Turn(false);

  constructor(world: World, stage: Stage) {
    this.world = world;
    this.#stage = stage;
  }

  get violations(): Violation[] {
    return this.#stage.violations;
  }

  async run(ms: number, isEnough: () => boolean = () => false): Promise<void> {
    const untilMs = this.world.nowMs + ms;
    await this.#turn.loop();
    const next = (): boolean =>
      !isEnough() && this.violations.length === 0 && this.world.step(untilMs);
    await this.#turn.run(next, () => this.#stage.observe());
    await this.#turn.loop();
  }

  /** Runs until something is so; that it never is, is a violation of I11. */
  async until(what: string, isSo: () => boolean, msMax = 20_000): Promise<void> {
    await this.run(msMax, isSo);
    if (!isSo() && this.violations.length === 0) {
      this.violations.push({ rule: "I11", message: `it never came that ${what}` });
    }
  }

  /** What a promise brings, while time goes on. */
  async answer<T>(asked: Promise<T>, msMax = 20_000): Promise<T | undefined> {
    let answer: { readonly value: T } | undefined;
    let isOver = false;
    asked.then(
      (value) => {
        answer = { value };
        isOver = true;
      },
      (error: unknown) => {
        isOver = true;
        if (error instanceof Error && error.name === "AssertionError") {
          this.violations.push(violationOf(error));
        }
      },
    );
    await this.run(msMax, () => isOver);
    return answer?.value;
  }

  /** That something is so; or a rule is broken. */
  expect(rule: string, isSo: boolean, message: string): void {
    if (!isSo) this.violations.push({ rule, message });
  }
}
