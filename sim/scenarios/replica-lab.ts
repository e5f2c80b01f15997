import type { Replica } from "../../src/replica/index.ts";
import type { Violation } from "../checkers/index.ts";
import { violationOf } from "../outcome.ts";
import { ReplicaCluster } from "../replica/cluster.ts";
import type { Machine } from "../replica/machine.ts";
import { Turn, World, type Swarm } from "../world/index.ts";

/** No faults but those of the script. */
const QUIET: Swarm = {
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
};

/** Whole replicas under a hand instead of chance, on machines whose time goes as far as it is told. */
export class ReplicaLab {
  readonly world: World;
  readonly cluster: ReplicaCluster;
  readonly #turn: Turn = new Turn(false);

  constructor(replicas: number, seed = 1) {
    this.world = new World(seed);
    this.cluster = new ReplicaCluster(this.world, QUIET, replicas);
  }

  get violations(): Violation[] {
    return this.cluster.violations;
  }

  machine(number: number): Machine {
    return this.cluster.machine(number);
  }

  replica(number: number): Replica {
    const { replica } = this.machine(number);
    if (replica === undefined) throw new Error(`${number} does not run`);
    return replica;
  }

  /** The one that leads and has begun to decide. */
  async leader(): Promise<Machine> {
    await this.until("somebody leads", () => this.cluster.leader()?.replica !== undefined);
    const leader = this.cluster.leader();
    if (leader === undefined) throw new Error(this.violations[0]?.message ?? "nobody leads");
    return leader;
  }

  async run(ms: number, isEnough: () => boolean = () => false): Promise<void> {
    const untilMs = this.world.nowMs + ms;
    await this.#turn.loop();
    while (!isEnough() && this.violations.length === 0 && this.world.step(untilMs)) {
      await this.#turn.end();
      this.cluster.observe();
    }
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

  /** Appends so many records, one after the other, to whoever leads; tells their offsets. */
  async append(count: number): Promise<number[]> {
    const offsets: number[] = [];
    for (let i = 0; i < count && this.violations.length === 0; i++) {
      const { replica } = await this.leader();
      if (replica === undefined) continue;
      const value = new TextEncoder().encode(`value ${i} of ${count}`);
      const appended = await this.answer(replica.append({ value }));
      if (appended !== undefined) offsets.push(appended.baseOffset);
    }
    return offsets;
  }
}
