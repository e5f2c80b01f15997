/**
 * Runs the tests: `npm test`, or `npm run test:system` for the tier that needs a real machine.
 *
 *     npm test -- src/log test/layers     only files whose path contains one of these
 *     npm test -- --name "torn tail"      only tests whose name matches this regular expression
 *     npm test -- --list                  names the files, and runs nothing
 *     npm test -- --workers 1             processes at a time
 *     npm test -- --patience 10           seconds without a finished test until a process is ended
 *     npm test -- --debug-telemetry       servers write metrics-*.log and traces-*.log, see where
 *
 * Called from a folder below the checkout's, `npm test` runs the tests of that folder.
 *
 * A process per file costs more than most tests, so that a few processes take one file after another from
 * one queue. Files must therefore not lean on hooks outside a `describe`, and close what they open.
 */
import { existsSync, mkdtempSync, readdirSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, isAbsolute, join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";

import { runFiles, type RunOptions } from "./support/run-files.ts";
import { emptyTally, type Tally, type TallyLine } from "./support/tally.ts";

interface Tier {
  readonly suffix: string;
  readonly workers: number;
  readonly filesPerProcess: number;
  /** Those that take longest, which come first, so that nothing long is left for the end. */
  readonly first: readonly string[];
  readonly silentMsMax: number;
}

const TIERS: Readonly<Record<string, Tier>> = {
  unit: {
    suffix: ".test.ts",
    // One more than there are processors: many tests wait.
    workers: availableParallelism() + 1,
    filesPerProcess: Infinity,
    first: [
      "sim/bugs/",
      "test/package",
      "test/readme",
      "test/runner",
      "test/cluster/",
      "test/log/",
    ],
    silentMsMax: 300_000,
  },
  // Each has ports, folders, networks and file systems of its own.
  system: {
    suffix: ".system.ts",
    workers: availableParallelism() + 1,
    filesPerProcess: 1,
    first: [
      "/kill.",
      "/image.",
      "/chaos.",
      "/partitions.",
      "/leader-kills.",
      "/attacks.",
      "fresh-clone",
    ],
    silentMsMax: 600_000,
  },
};

/** Whole systems, then units: the earlier take longer. */
const FOLDERS = ["test", "sim", "bench", "src"];
/** What a shell reports of a program ended by Ctrl-C. */
const INTERRUPTED = 130;

function findFiles(root: string, { suffix, first }: Tier, selectors: readonly string[]): string[] {
  const rank = (name: string): number => {
    const at = first.findIndex((part) => name.includes(part));
    return at === -1 ? first.length : at;
  };
  return FOLDERS.filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map((name) =>
        join(folder, name),
      ),
    )
    .filter((name) => name.endsWith(suffix) && !name.includes("node_modules"))
    .filter((name) => selectors.length === 0 || selectors.some((part) => name.includes(part)))
    .sort((a, b) => rank(a) - rank(b) || byDepth(a, b));
}

/** Folders inside `test/`, which hold the sweeps, before what stands in it; else by name. */
function byDepth(a: string, b: string): number {
  const rank = (name: string): number => {
    const folder = FOLDERS.indexOf(name.split("/")[0] ?? "");
    return folder === 0 && dirname(name) === "test" ? 0.5 : folder;
  };
  return rank(a) - rank(b) || (a < b ? -1 : 1);
}

async function runAll(
  files: readonly string[],
  workers: number,
  options: RunOptions,
): Promise<Tally> {
  const tally = emptyTally();
  const queue = [...files];
  const work = async (): Promise<void> => {
    while (queue.length > 0) await runFiles(queue, tally, options);
  };
  await Promise.all(Array.from({ length: Math.min(workers, files.length) }, work));
  return tally;
}

function printSummary(tally: Tally, filesCount: number, seconds: number): void {
  const lines = [""];
  for (const line of tally.skipped) lines.push(`skipped: ${told(line)}`);
  for (const name of tally.failed) lines.push(`failed: ${name}`);
  const slowest = tally.slowest.map((line) => `${seconds1(line.durationMs)} ${line.name}`);
  if (seconds > 5) lines.push(`slowest: ${slowest.join("\n         ")}`);
  lines.push(`${filesCount} files, Node ${process.version}, ${seconds.toFixed(1)} s`);
  lines.push(`${tally.passed} passed, ${tally.failed.length} failed`);
  process.stdout.write(`${lines.join("\n")}\n`);
}

function told({ name, reason }: TallyLine): string {
  return `${name} (${reason ?? "?"})`;
}

function seconds1(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

function refuse(text: string): never {
  process.stderr.write(`${text}\n`);
  process.exit(2);
}

interface Arguments {
  readonly tier: Tier;
  readonly selectors: readonly string[];
  readonly namePattern: string | undefined;
  readonly debugTelemetry: boolean;
  readonly list: boolean;
  readonly workers: number;
  readonly silentMsMax: number;
  /** Whose tests; another checkout only in the runner's own test. */
  readonly root: string;
}

/** npm says from where it was called: below our checkout, that is what the caller works on. */
function callersFolder(root: string): string[] {
  const folder = relative(root, process.env["INIT_CWD"] ?? root);
  return folder === "" || folder.startsWith("..") || isAbsolute(folder) ? [] : [`${folder}/`];
}

/** All servers of this run, in this process's children, write what they measure and trace there. */
function debugTelemetryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "proglog-telemetry-"));
  process.env["PROGLOG_DEBUG_TELEMETRY"] = folder;
  return folder;
}

function readArguments(): Arguments {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      tier: { type: "string", default: "unit" },
      name: { type: "string" },
      list: { type: "boolean", default: false },
      workers: { type: "string" },
      patience: { type: "string" },
      "debug-telemetry": { type: "boolean", default: false },
      root: { type: "string", default: dirname(import.meta.dirname) },
    },
  });
  const tier = TIERS[values.tier];
  if (tier === undefined) refuse(`no tier "${values.tier}": ${Object.keys(TIERS).join(", ")}`);
  const patienceMs = Number(values.patience) * 1_000;
  const workers = Number(values.workers);
  return {
    tier,
    selectors: positionals.length > 0 ? positionals : callersFolder(resolve(values.root)),
    debugTelemetry: values["debug-telemetry"],
    namePattern: values.name,
    list: values.list,
    workers: workers > 0 ? workers : tier.workers,
    silentMsMax: patienceMs > 0 ? patienceMs : tier.silentMsMax,
    root: resolve(values.root),
  };
}

async function main(): Promise<number> {
  const { tier, selectors, list, namePattern, workers, silentMsMax, root, debugTelemetry } =
    readArguments();
  const files = findFiles(root, tier, selectors);
  if (files.length === 0) refuse(`no test file (*${tier.suffix}) matches ${selectors.join(" ")}`);
  if (list) {
    process.stdout.write(`${files.join("\n")}\n`);
    return 0;
  }
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => interrupted.abort());
  }
  const telemetry = debugTelemetry ? debugTelemetryFolder() : undefined;
  const started = performance.now();
  const { filesPerProcess } = tier;
  const { signal } = interrupted;
  const options = { namePattern, silentMsMax, root, filesPerProcess, signal };
  let tally: Tally;
  try {
    tally = await runAll(files, workers, options);
  } catch (error) {
    if (signal.aborted) return INTERRUPTED;
    throw error;
  }
  if (tally.passed + tally.failed.length + tally.skipped.length === 0) {
    refuse(namePattern === undefined ? "no test was run" : `no test is named like ${namePattern}`);
  }
  // Where everything is demanded, what was left out is no success.
  if (process.env["PROGLOG_REQUIRE_ALL"] === "1") {
    tally.failed.push(...tally.skipped.splice(0).map(told));
  }
  printSummary(tally, files.length, (performance.now() - started) / 1_000);
  if (telemetry !== undefined) process.stdout.write(`metrics and traces: ${telemetry}\n`);
  return tally.failed.length === 0 ? 0 : 1;
}

process.exitCode = await main();
