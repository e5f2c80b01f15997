/**
 * Chaos as a command: real servers, real faults, real clients, and an exact judgement.
 *
 *     npm run chaos -- --minutes 5 --seed 1 --replicas 3
 *     npm run chaos -- --faults kill,pause,partition,wipe      these kinds only
 *     npm run chaos -- --wires proxies                         as where no namespaces can be made
 *     npm run chaos -- --bug answer-before-commit              with a planted mistake
 *     npm run chaos -- --json FILE --page FILE                 the report, for programs and for people
 *     npm run chaos -- --folder DIR                            where the servers live; it is kept
 *     npm run chaos -- --list                                  kinds of faults, and planted mistakes
 *
 * Ends with status 1 when a promise was broken or too little happened, and prints the command that does
 * the same again. `docs/architecture/chaos.md` tells how it is made.
 */
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Outcome } from "./outcome.ts";
import { drawPage } from "./page.ts";
import { BUGS } from "./planted.ts";
import { run } from "./run.ts";

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function refuse(text: string): never {
  process.stderr.write(`${text}\n`);
  process.exit(2);
}

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "1" },
    seed: { type: "string", default: "1" },
    replicas: { type: "string", default: "3" },
    faults: { type: "string" },
    wires: { type: "string" },
    bug: { type: "string" },
    json: { type: "string" },
    page: { type: "string" },
    folder: { type: "string" },
    list: { type: "boolean", default: false },
  },
});

function numberOf(name: "minutes" | "seed" | "replicas"): number {
  const number = Number(values[name]);
  if (!(number > 0 && number < 1e6)) refuse(`--${name} ${values[name]} is no number above 0`);
  return number;
}

function tellOutcome(outcome: Outcome): void {
  const { figures, faultCounts, missing, violations, command } = outcome;
  for (const [name, value] of Object.entries(figures)) print(`${name}: ${value}`);
  print(
    Object.entries(faultCounts)
      .map(([kind, count]) => `${kind} ${count}`)
      .join(", "),
  );
  for (const [kind, what] of Object.entries(missing)) print(`MISSING for ${kind}: ${what}`);
  for (const { rule, message } of violations.slice(0, 20)) print(`${rule}: ${message}`);
  print(`${violations.length} violations; again: ${command}`);
}

async function main(): Promise<number> {
  if (values.list) {
    for (const { name, why } of BUGS) print(`${name}: ${why}`);
    return 0;
  }
  const { bug, faults, json, page } = values;
  if (bug !== undefined && !BUGS.some(({ name }) => name === bug)) refuse(`no bug is "${bug}"`);
  const { wires } = values;
  if (wires !== undefined && wires !== "proxies" && wires !== "namespaces") {
    refuse(`--wires ${wires} is neither namespaces nor proxies`);
  }
  const folder = values.folder ?? realpathSync(mkdtempSync(join(tmpdir(), "proglog-chaos-")));
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => interrupted.abort());
  }
  const { signal } = interrupted;
  const outcome = await run({
    ...{ minutes: numberOf("minutes"), seed: numberOf("seed"), replicas: numberOf("replicas") },
    ...{ bug, folder, wires, only: faults?.split(","), progress: print, signal },
  });
  tellOutcome(outcome);
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(outcome, null, 2)}\n`);
  if (page !== undefined) writeFileSync(page, drawPage(outcome));
  const isGood = outcome.violations.length === 0;
  if (isGood && values.folder === undefined) rmSync(folder, { recursive: true, force: true });
  else print(`what the servers said is in ${folder}`);
  return isGood ? 0 : 1;
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? "") : String(error)}\n`);
    process.exit(2);
  },
);
