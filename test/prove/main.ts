/**
 * The deep figures, by hand: `npm run prove`. Each proof runs in parts, each in a process of its own,
 * and every part that ran well is kept in `docs/proof/`, so that a run that was ended goes on where it
 * was, here or elsewhere, as long as the code that the proof runs is the same.
 *
 *     npm run prove                     everything that this code does not have yet
 *     npm run prove -- bits kills       only proofs whose name contains one of these
 *     npm run prove -- --list           names them, and how far each is
 *     npm run prove -- --minutes 30     begins no part after so long
 *     npm run prove -- --workers 1      parts at a time
 *     npm run prove -- --json FILE      all that is known, as JSON
 *     npm run prove -- --write          writes what is known into docs/proof.md
 *
 * Exit code 1 when a part failed.
 */
import { execFileSync, fork } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join, relative, sep } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { nameCode, readAllSources } from "./code.ts";
import type { Figures, Proof } from "./proof.ts";
import { writeProofs } from "./page.ts";
import { Results } from "./results.ts";

const ROOT = dirname(dirname(import.meta.dirname));
const FOLDERS = ["src", "sim", "test"];
const PART_MS_MAX = 30 * 60_000;

interface Found {
  readonly file: string;
  readonly proof: Proof;
  readonly code: string;
}

async function findProofs(): Promise<Found[]> {
  const files = FOLDERS.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".prove.ts"))
      .map((name) => join(ROOT, folder, name)),
  ).sort();
  const sources = readAllSources();
  const found: Found[] = [];
  for (const file of files) {
    const { proof } = (await import(pathToFileURL(file).href)) as { readonly proof: Proof };
    const path = relative(ROOT, file).split(sep).join("/");
    found.push({ file, proof, code: nameCode(path, proof.isInProcess ?? false, sources) });
  }
  return found;
}

/** The commit, with a mark when files differ from it: figures are of one state of the code. */
function commitHere(): string {
  const git = (...args: string[]): string =>
    execFileSync("git", args, { cwd: ROOT, encoding: "utf8" }).trim();
  const isChanged = git("status", "--porcelain", "--", ...FOLDERS) !== "";
  return `${git("rev-parse", "--short=10", "HEAD")}${isChanged ? " with changes" : ""}`;
}

function runPart(file: string, part: number): Promise<Figures> {
  return new Promise((resolve, reject) => {
    const child = fork(join(import.meta.dirname, "part.ts"), [file, String(part)], {
      cwd: ROOT,
      // Short-lived garbage is most of what simulators make.
      execArgv: [...process.execArgv, "--max-semi-space-size=64"],
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      timeout: PART_MS_MAX,
      killSignal: "SIGKILL",
    });
    let figures: Figures | undefined;
    child.on("message", (message) => {
      figures = message as Figures;
    });
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      if (code === 0 && figures !== undefined) resolve(figures);
      else reject(new Error(`ended with ${signal ?? `exit ${code ?? "?"}`}`));
    });
  });
}

interface Run {
  readonly results: Results;
  readonly workers: number;
  readonly msMax: number;
}

/** Answers how many parts failed. */
async function runProofs(found: readonly Found[], run: Run): Promise<number> {
  const waiting = found.flatMap(({ file, proof, code }) => {
    const { parts } = run.results.of(proof.name, code);
    const missing = Array.from({ length: proof.parts }, (_, part) => part);
    return missing.filter((part) => !(part in parts)).map((part) => ({ file, proof, code, part }));
  });
  const started = performance.now();
  let failed = 0;
  const work = async (): Promise<void> => {
    while (performance.now() - started < run.msMax) {
      const next = waiting.shift();
      if (next === undefined) return;
      const { file, proof, code, part } = next;
      const begun = performance.now();
      const label = `${proof.name} ${part + 1}/${proof.parts}`;
      try {
        const figures = await runPart(file, part);
        const seconds = Math.round((performance.now() - begun) / 100) / 10;
        run.results.add(proof.name, code, { part, figures, seconds });
        process.stdout.write(`${label}: ${proof.summary([figures])} (${seconds} s)\n`);
      } catch (error) {
        failed++;
        process.stdout.write(`${label}: FAILED, ${String(error)}\n`);
      }
    }
  };
  await Promise.all(Array.from({ length: run.workers }, work));
  return failed;
}

function printState(found: readonly Found[], results: Results): void {
  for (const { proof, code } of found) {
    const { parts } = results.of(proof.name, code);
    const done = Object.values(parts);
    const what = done.length === 0 ? proof.title : proof.summary(done);
    process.stdout.write(`${proof.name}: ${done.length} of ${proof.parts} parts; ${what}\n`);
  }
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      list: { type: "boolean", default: false },
      minutes: { type: "string", default: "Infinity" },
      workers: { type: "string", default: String(Math.min(2, availableParallelism())) },
      json: { type: "string" },
      write: { type: "boolean", default: false },
    },
  });
  const commit = commitHere();
  const results = new Results(join(ROOT, "docs", "proof"), commit);
  const all = await findProofs();
  const isChosen = ({ proof }: Found): boolean =>
    positionals.length === 0 || positionals.some((part) => proof.name.includes(part));
  const found = all.filter(isChosen);
  if (found.length === 0) throw new Error(`no proof is named like ${positionals.join(" ")}`);
  const run = { results, workers: Number(values.workers), msMax: Number(values.minutes) * 60_000 };
  const failed = values.list ? 0 : await runProofs(found, run);
  printState(found, results);
  const known = found.map(({ proof, code }) => ({
    proof,
    result: results.of(proof.name, code),
  }));
  if (values.json !== undefined) {
    const rows = known.map(({ proof: { name, title, parts }, result }) => ({
      name,
      title,
      partCount: parts,
      ...result,
    }));
    writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`);
  }
  if (values.write) {
    const titles = all.map(({ proof }) => proof.title);
    await writeProofs(join(ROOT, "docs", "proof.md"), known, titles);
  }
  process.stdout.write(`${failed} failed\n`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main();
