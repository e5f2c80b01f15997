import type { RunOptions, RunResult } from "../../sim/outcome.ts";
import { total, type Figures } from "../prove/proof.ts";

type Run = (options: RunOptions) => RunResult | Promise<RunResult>;

/** Runs of the simulator, one after the other: throws at the first violation, and adds up what happened. */
export async function addUpRuns(
  runs: Iterable<{ readonly options: RunOptions; readonly run: Run }>,
): Promise<Figures> {
  const startedCpu = process.cpuUsage();
  const figures = { runs: 0, simulatedMs: 0, events: 0, appends: 0, acknowledged: 0, leaders: 0 };
  for (const { options, run } of runs) {
    const result = await run(options);
    const [violation] = result.violations;
    if (violation !== undefined) {
      const { seed, replicas, subject, minutes } = options;
      const where = `--seeds ${seed} --replicas ${replicas} --subject ${subject} --minutes ${minutes}`;
      throw new Error(`${violation.rule}: ${violation.message}\nnpm run sim -- ${where}`);
    }
    figures.runs += 1;
    figures.simulatedMs += result.simulatedMs;
    figures.events += result.events;
    figures.appends += result.appends;
    figures.acknowledged += result.acknowledged;
    figures.leaders += result.leaders;
  }
  const { user, system } = process.cpuUsage(startedCpu);
  return { ...figures, cpuMs: Math.round((user + system) / 1_000) };
}

/** The runs of all parts, as a sentence. */
export function summarizeRuns(parts: readonly Figures[]): string {
  const hours = total(parts, "simulatedMs") / 3_600_000;
  const minutes = total(parts, "cpuMs") / 60_000;
  return [
    `${total(parts, "runs")} runs, ${hours.toFixed(hours < 10 ? 1 : 0)} simulated hours, 0 violations`,
    `${total(parts, "acknowledged")} of ${total(parts, "appends")} appends acknowledged, ${total(parts, "leaders")} leaders`,
    `${(hours / minutes).toFixed(1)} simulated hours per minute of one core`,
  ].join("; ");
}

/** The seeds of one part: so many for each, from 1 on. */
export function seedsOf(part: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => part * count + 1 + i);
}
