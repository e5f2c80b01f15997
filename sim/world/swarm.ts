import { below, chance, type Random } from "../../src/base/index.ts";
import type { NetworkOptions } from "./network.ts";

/** Which faults a run has, and how strong. Rates are times per simulated minute. */
export interface Swarm {
  readonly network: NetworkOptions;
  /** What an fsync takes on average. */
  readonly syncMsMean: number;
  readonly crashes: number;
  readonly powerCuts: number;
  readonly pauses: number;
  readonly partitions: number;
  readonly clogs: number;
  readonly resets: number;
  readonly transfers: number;
  readonly membershipChanges: number;
  readonly damages: number;
  readonly diskErrors: number;
  /** Client operations per simulated second. */
  readonly load: number;
  /** Rare paths made likely: tiny segments, tiny messages, early compaction. */
  readonly tiny: boolean;
  /** How finely replicas tell time: heartbeats and elections take the same time all the same. */
  readonly tickMs: number;
  /** Disks that are full for a while. */
  readonly fullDisks: number;
  /** How often a kernel writes back dirty pages that nobody asked it to. */
  readonly writeBacks: number;
  /** Changes of what is kept, and deletions of old records. */
  readonly deletions: number;
  /** Logs are small: at such a rate a replica that lost its disk is behind for seconds. 0: no pace. */
  readonly catchUpBytesPerSecond: number;
}

/** A run draws its own mixture: one with everything in it would hide what only two faults show. */
export function drawSwarm(random: Random): Swarm {
  const rate = (p: number, max: number): number => (chance(random, p) ? 1 + below(random, max) : 0);
  const pick = <T>(of: readonly [T, ...T[]]): T => of[below(random, of.length)] ?? of[0];
  return {
    network: {
      delayMsMin: pick([0.1, 0.5, 2]),
      delayMsMean: pick([0.5, 2, 10, 40]),
      lossChance: pick([0, 0, 0.01, 0.05, 0.2]),
      duplicateChance: pick([0, 0.01, 0.1]),
      ordered: chance(random, 0.5),
    },
    syncMsMean: pick([0.5, 1.5, 20, 100, 400]),
    crashes: rate(0.7, 12),
    powerCuts: rate(0.5, 5),
    pauses: rate(0.4, 6),
    partitions: rate(0.7, 10),
    clogs: rate(0.4, 10),
    resets: rate(0.4, 20),
    transfers: rate(0.3, 6),
    membershipChanges: rate(0.4, 6),
    damages: rate(0.3, 4),
    diskErrors: rate(0.3, 3),
    load: pick([2, 5, 10, 20]),
    tiny: chance(random, 0.4),
    tickMs: pick([10, 25, 50, 50]),
    fullDisks: rate(0.3, 4),
    writeBacks: rate(0.5, 60),
    deletions: rate(0.5, 20),
    catchUpBytesPerSecond: pick([0, 64 * 1_024]),
  };
}
