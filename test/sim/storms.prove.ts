import { total, type Figures, type Proof } from "../prove/proof.ts";
import { runCore } from "../../sim/core/run.ts";
import { runReplica } from "../../sim/replica/run.ts";

const PARTS = 200;
const SEEDS = 10;
const MINUTES = 5;
const SUBJECTS = { core: runCore, replica: runReplica } as const;

/** 2,000 seeds of five simulated minutes, with three and with five replicas, core and whole. */
export const proof: Proof = {
  name: "storms",
  title: `${PARTS * SEEDS} seeds of ${MINUTES} simulated minutes, with 3 and 5 replicas, over the core and over the whole replica`,
  parts: PARTS,
  isInProcess: true,
  run: async (part): Promise<Figures> => {
    const startedCpu = process.cpuUsage();
    const figures = { runs: 0, simulatedMs: 0, events: 0, appends: 0, acknowledged: 0, leaders: 0 };
    for (let seed = part * SEEDS + 1; seed <= (part + 1) * SEEDS; seed++) {
      for (const replicas of [3, 5]) {
        for (const subject of ["core", "replica"] as const) {
          const result = await SUBJECTS[subject]({ seed, subject, replicas, minutes: MINUTES });
          const [violation] = result.violations;
          if (violation !== undefined) {
            const where = `--seeds ${seed} --replicas ${replicas} --subject ${subject} --minutes ${MINUTES}`;
            throw new Error(`${violation.rule}: ${violation.message}\nnpm run sim -- ${where}`);
          }
          figures.runs += 1;
          figures.simulatedMs += result.simulatedMs;
          figures.events += result.events;
          figures.appends += result.appends;
          figures.acknowledged += result.acknowledged;
          figures.leaders += result.leaders;
        }
      }
    }
    const { user, system } = process.cpuUsage(startedCpu);
    return { ...figures, cpuMs: (user + system) / 1_000 };
  },
  summary: (parts) => {
    const hours = total(parts, "simulatedMs") / 3_600_000;
    const minutes = total(parts, "cpuMs") / 60_000;
    return [
      `${total(parts, "runs")} runs, ${hours.toFixed(0)} simulated hours, 0 violations`,
      `${total(parts, "acknowledged")} of ${total(parts, "appends")} appends acknowledged, ${total(parts, "leaders")} leaders`,
      `${(hours / minutes).toFixed(1)} simulated hours per minute of one core`,
    ].join("; ");
  },
};
