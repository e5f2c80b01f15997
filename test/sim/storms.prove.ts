import { runCore } from "../../sim/core/run.ts";
import { runReplica } from "../../sim/replica/run.ts";
import type { Proof } from "../prove/proof.ts";
import { addUpRuns, seedsOf, summarizeRuns } from "./storm-figures.ts";

const PARTS = 200;
const SEEDS = 10;
const MINUTES = 5;
/** Not by way of whole servers, so that a change of these leaves what was found as it is. */
const SUBJECTS = { core: runCore, replica: runReplica } as const;

/** 2,000 seeds of five simulated minutes, with three and with five replicas, core and whole. */
export const proof: Proof = {
  name: "storms",
  title: `${PARTS * SEEDS} seeds of ${MINUTES} simulated minutes, with 3 and 5 replicas, over the core and over the whole replica`,
  parts: PARTS,
  isInProcess: true,
  run: (part) => {
    const runs = seedsOf(part, SEEDS).flatMap((seed) =>
      [3, 5].flatMap((replicas) =>
        (["core", "replica"] as const).map((subject) => ({
          options: { seed, subject, replicas, minutes: MINUTES },
          run: SUBJECTS[subject],
        })),
      ),
    );
    return addUpRuns(runs);
  },
  summary: summarizeRuns,
};
