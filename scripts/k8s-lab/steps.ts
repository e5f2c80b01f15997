/** What is done to the chart in the lab, one step after the other, and what each of them gave. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { refuseBadObjects, refuseBadPods, tryEveryValues } from "./admission.ts";
import type { Lab } from "./lab.ts";
import { type Figures, Load } from "./load.ts";
import { makeCertificates, prepare, VALUES } from "./prepare.ts";
import { NAMESPACE, Release } from "./release.ts";
import * as turnover from "./turnover.ts";

export interface Context {
  readonly lab: Lab;
  readonly release: Release;
  readonly load: Load;
  /** The file of the lab's values. */
  readonly values: string;
  /** Custom kinds, as files. */
  readonly kinds: string;
  readonly folder: string;
}

/** Answers what is worth telling. */
export type Step = (context: Context) => Promise<string>;

export interface Result extends Partial<Figures> {
  readonly step: string;
  readonly seconds: number;
  readonly told: string;
}

const BEFORE: readonly (readonly [string, Step])[] = [
  ["every ci/*.yaml, strict dry run at the server", tryEveryValues],
  ["what has a typo is refused", refuseBadObjects],
  ["what is not restricted is refused", refuseBadPods],
  ["helm install --wait", turnover.install],
  ["helm test", turnover.helmTest],
];

/** With producers and readers running. */
const UNDER_LOAD: readonly (readonly [string, Step])[] = [
  ["nothing", turnover.nothing],
  ["rolling update", turnover.roll],
  ["scale 3 → 5", turnover.grow],
  ["scale 5 → 3", turnover.shrink],
  ["drain a machine, and another", turnover.drain],
  ["a server that hangs", turnover.hang],
  ["a server that lost its disk", turnover.loseDisk],
  ["all pods deleted at once", turnover.deleteAll],
  ["all pods killed at once", turnover.deleteAllByForce],
];

const AFTER: readonly (readonly [string, Step])[] = [
  ["the history, and every server's log", turnover.checkHistory],
  ["helm uninstall, and install again", turnover.reinstall],
];

export async function runSteps(
  lab: Lab,
  { built, folder }: { readonly built: string; readonly folder: string },
): Promise<readonly Result[]> {
  const certificates = join(folder, "certificates");
  await makeCertificates(certificates);
  const values = join(folder, "values.json");
  writeFileSync(values, JSON.stringify(VALUES));
  const release = new Release(lab, certificates);
  const load = new Load(release.address, { tls: release.tls });
  const context = { lab, release, load, values, folder, kinds: join(built, "kinds") };
  await prepare(context, certificates);
  const results: Result[] = [];
  const one = async (step: string, work: Step, isUnderLoad: boolean): Promise<void> => {
    if (isUnderLoad) load.take();
    const started = performance.now();
    try {
      const told = await work(context);
      const seconds = Math.round((performance.now() - started) / 100) / 10;
      const result = { step, seconds, told, ...(isUnderLoad ? load.take() : {}) };
      results.push(result);
      console.log(lineOf(result));
    } catch (error) {
      console.error(`FAILED: ${step}`);
      await tellState(release);
      throw error;
    } finally {
      for (const said of load.errors.splice(0)) console.log(`    ${said}`);
    }
  };
  for (const [step, work] of BEFORE) await one(step, work, false);
  load.start();
  for (const [step, work] of UNDER_LOAD) await one(step, work, true);
  for (const [step, work] of AFTER) await one(step, work, false);
  return results;
}

function lineOf(result: Result): string {
  const { step, seconds, told, acknowledged } = result;
  const begin = `ok  ${step}: ${seconds} s${told === "" ? "" : `; ${told}`}`;
  if (acknowledged === undefined) return begin;
  const { failed = 0, reads = 0, failedReads = 0, gapMs = 0, slowestCallMs = 0 } = result;
  return (
    `${begin}\n      ${acknowledged} records acknowledged, ${failed} calls failed; ${reads} reads, ` +
    `${failedReads} failed; longest gap ${(gapMs / 1_000).toFixed(2)} s, slowest append ${(slowestCallMs / 1_000).toFixed(2)} s`
  );
}

async function tellState(release: Release): Promise<void> {
  for (const args of [
    ["get", "nodes,pods,pvc,pdb", "-A", "-o", "wide"],
    ["get", "events", "-n", NAMESPACE, "--sort-by=.lastTimestamp"],
    ["logs", "-n", NAMESPACE, "-l", "app.kubernetes.io/name=proglog", "--tail=20", "--prefix"],
  ]) {
    const { stdout, stderr } = await release.kubectl(args);
    console.error(`${stdout.split("\n").slice(-60).join("\n")}${stderr}`);
  }
}
