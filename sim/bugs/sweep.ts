import type { Subject } from "../outcome.ts";
import type { Finder, Mistake } from "./bug.ts";
import { plant } from "./workshop.ts";

/** A finder, and what it took to find it. */
export interface Found {
  readonly finder: Finder;
  readonly rule: string;
  readonly runs: number;
  readonly cpuSeconds: number;
}

export interface SweepOptions {
  readonly subjects: readonly Subject[];
  readonly scenarios: readonly string[];
  readonly cpuSecondsMax: number;
  readonly minutes: number;
}

/** Scripts are played after so long: what seeds find at once they shall find. */
const SCRIPTS_AFTER_SECONDS = 10;

/** Looks for a bug as if nobody knew of it: some seeds, then all scripts, then one seed after the other. */
export async function sweep(bug: Mistake, options: SweepOptions): Promise<Found | undefined> {
  await using simulator = await plant(bug);
  const started = process.cpuUsage();
  const spent = (): number => {
    const { user, system } = process.cpuUsage(started);
    return (user + system) / 1e6;
  };
  let runs = 0;
  const byScripts = async (): Promise<Found | undefined> => {
    for (const name of options.scenarios) {
      runs += 1;
      const [violation] = await simulator.scenario(name);
      if (violation === undefined) continue;
      const finder: Finder = { by: "scenario", name };
      return { finder, rule: violation.rule, runs, cpuSeconds: spent() };
    }
    return undefined;
  };
  let arePlayed = false;
  for (let seed = 1; spent() < options.cpuSecondsMax; seed++) {
    if (!arePlayed && spent() > SCRIPTS_AFTER_SECONDS) {
      arePlayed = true;
      const found = await byScripts();
      if (found !== undefined) return found;
    }
    for (const subject of options.subjects) {
      for (const replicas of [3, 5]) {
        const run = { subject, seed, replicas, minutes: options.minutes };
        runs += 1;
        const { violations } = await simulator.run(run);
        const [violation] = violations;
        if (violation === undefined) continue;
        const finder: Finder = { by: "sim", ...run };
        return { finder, rule: violation.rule, runs, cpuSeconds: spent() };
      }
    }
  }
  return arePlayed ? undefined : await byScripts();
}
