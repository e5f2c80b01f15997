import { total, type Figures, type Proof } from "../prove/proof.ts";
import { run } from "../../sim/run.ts";

const PARTS = 100;
const SEEDS = 10;
const MINUTES = 2;

/** 1,000 seeds of whole servers that make their cluster in a storm of two simulated minutes. */
export const proof: Proof = {
  name: "everything",
  title: `${PARTS * SEEDS} seeds with everything on: 3 and 5 servers, ${MINUTES} simulated minutes of bootstrap, members let in and removed, appends handed on, reads at any server, all faults`,
  parts: PARTS,
  isInProcess: true,
  run: async (part): Promise<Figures> => {
    const startedCpu = process.cpuUsage();
    const figures = { runs: 0, simulatedMs: 0, events: 0, appends: 0, acknowledged: 0, leaders: 0 };
    for (let seed = part * SEEDS + 1; seed <= (part + 1) * SEEDS; seed++) {
      for (const replicas of [3, 5]) {
        const result = await run({ seed, subject: "cluster", replicas, minutes: MINUTES });
        const [violation] = result.violations;
        if (violation !== undefined) {
          const where = `--seeds ${seed} --replicas ${replicas} --subject cluster --minutes ${MINUTES}`;
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
    const { user, system } = process.cpuUsage(startedCpu);
    return { ...figures, cpuMs: (user + system) / 1_000 };
  },
  summary: (parts) => {
    const hours = total(parts, "simulatedMs") / 3_600_000;
    const minutes = total(parts, "cpuMs") / 60_000;
    return [
      `${total(parts, "runs")} runs, ${hours.toFixed(1)} simulated hours, 0 violations`,
      `${total(parts, "acknowledged")} of ${total(parts, "appends")} appends acknowledged, ${total(parts, "leaders")} leaders`,
      `${(hours / minutes).toFixed(1)} simulated hours per minute of one core`,
    ].join("; ");
  },
};
