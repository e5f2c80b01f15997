import type { Replica } from "../../src/replica/index.ts";
import { ReplicaCluster } from "../replica/cluster.ts";
import type { Machine } from "../replica/machine.ts";
import { World } from "../world/index.ts";
import { QUIET, Script } from "./script.ts";

/** Whole replicas under a hand instead of chance, on machines whose time goes as far as it is told. */
export class ReplicaLab extends Script {
  readonly cluster: ReplicaCluster;

  constructor(replicas: number, seed = 1) {
    const world = new World(seed);
    const cluster = new ReplicaCluster(world, QUIET, replicas);
    super(world, cluster);
    this.cluster = cluster;
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
