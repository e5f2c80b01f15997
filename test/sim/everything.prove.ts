import { runCluster } from "../../sim/cluster/index.ts";
import type { Proof } from "../prove/proof.ts";
import { addUpRuns, seedsOf, summarizeRuns } from "./storm-figures.ts";

const PARTS = 100;
const SEEDS = 10;
const MINUTES = 2;

/** 1,000 seeds of whole servers that make their cluster in a storm of two simulated minutes. */
export const proof: Proof = {
  name: "everything",
  title: `${PARTS * SEEDS} seeds with everything on: 3 and 5 servers, ${MINUTES} simulated minutes of bootstrap, members let in and removed, appends handed on, reads at any server, all faults`,
  parts: PARTS,
  isInProcess: true,
  run: (part) => {
    const runs = seedsOf(part, SEEDS).flatMap((seed) =>
      [3, 5].map((replicas) => ({
        options: { seed, subject: "cluster" as const, replicas, minutes: MINUTES },
        run: runCluster,
      })),
    );
    return addUpRuns(runs);
  },
  summary: summarizeRuns,
};
