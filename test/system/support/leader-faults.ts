import { setTimeout as sleep } from "node:timers/promises";
import { below, chance, type Random } from "../../../src/base/index.ts";
import type { ClusterProcesses } from "./cluster.ts";
import type { Front } from "./front.ts";

/**
 * What happens to whoever leads: its process is killed and started again; it is stopped and goes on; or
 * nobody reaches it, while it is there.
 */
export const FAULTS = ["kill", "pause", "cut"] as const;
export type Fault = (typeof FAULTS)[number];

/** A process that stood still for so long, or was not reached, is not the leader any more. */
const STANDSTILL_MS = 1_500;

/** Faults of leaders, one at a time, each with its end. */
export class LeaderFaults {
  readonly counts: Record<Fault, number> = { kill: 0, pause: 0, cut: 0 };
  readonly #cluster: ClusterProcesses;
  readonly #fronts: readonly Front[];
  readonly #random: Random;

  constructor(cluster: ClusterProcesses, fronts: readonly Front[], random: Random) {
    this.#cluster = cluster;
    this.#fronts = fronts;
    this.#random = random;
  }

  /** Does it to the leader of this moment, waits for `progress` of the others, and undoes it. */
  async strike(fault: Fault, progress: () => Promise<unknown>): Promise<void> {
    const at = await this.#cluster.leader();
    const front = this.#fronts[at];
    if (front === undefined) throw new Error(`there is no front of server ${at}`);
    await sleep(below(this.#random, 100));
    this.counts[fault] += 1;
    switch (fault) {
      case "kill":
        await this.#cluster.end(at, "SIGKILL");
        await progress();
        await this.#cluster.run(at);
        return;
      case "pause":
        this.#cluster.server(at).signal("SIGSTOP");
        await sleep(STANDSTILL_MS);
        await progress();
        this.#cluster.server(at).signal("SIGCONT");
        return;
      case "cut":
        front.cut();
        await sleep(STANDSTILL_MS);
        await progress();
        front.mend(chance(this.#random, 0.5) ? "late" : "lost");
    }
  }
}

/** So many of each, in an order of chance. */
export function plan(random: Random, counts: Readonly<Record<Fault, number>>): Fault[] {
  const faults = FAULTS.flatMap((fault) => Array.from({ length: counts[fault] }, () => fault));
  for (let i = faults.length - 1; i > 0; i--) {
    const j = below(random, i + 1);
    const [a, b] = [faults[i], faults[j]];
    if (a === undefined || b === undefined) continue;
    faults[i] = b;
    faults[j] = a;
  }
  return faults;
}
