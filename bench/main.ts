import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { ROWS } from "./rows/index.ts";
import { compile } from "./support/compile.ts";
import { describeEnvironment, environmentLine } from "./support/environment.ts";
import { type BenchOptions, parseOptions, USAGE, UsageError } from "./support/options.ts";
import { writeProof } from "./support/proof.ts";
import type { RowResult } from "./support/result.ts";
import { runRow } from "./support/run-row.ts";
import { noteLines, tableHead, tableLine } from "./support/table.ts";

/**
 * # bench: how far we are from the machine's limit
 *
 * One table. Each row is a ratio against a limit that is measured in the same run on the same
 * machine, because absolute times are not stable. A row is a file of `rows/` and runs in a process
 * of its own; servers and other clients that it needs are processes of `support/`. Compiled code is
 * measured, as it ships. Everything stays on this machine (loopback), and what is made on the disk is
 * removed.
 */
const root = resolve(import.meta.dirname, "..");

async function bench(options: BenchOptions, signal: AbortSignal): Promise<number> {
  // Beside the sources and not in the temporary directory, which may be no disk at all.
  const data = join(root, "bench", `.data-${process.pid}`);
  const build = join(data, "build");
  mkdirSync(data);
  try {
    const environment = describeEnvironment(data, modeOf(options));
    console.log(environmentLine(environment));
    compile(root, build);
    console.log(tableHead());
    const rows: RowResult[] = [];
    for (const name of options.rows) {
      const results = await runRow(name, absolute(options), { build, data }, signal);
      if (signal.aborted) return 130;
      for (const result of results) console.log(tableLine(result));
      rows.push(...results);
    }
    console.log(["", ...noteLines(rows)].join("\n"));
    if (options.jsonFile !== undefined) {
      writeFileSync(options.jsonFile, `${JSON.stringify({ environment, rows }, null, 2)}\n`);
    }
    if (options.proofFile !== undefined) {
      const isWhole = options.rows.length === Object.keys(ROWS).length;
      await writeProof(options.proofFile, root, { environment, rows, isWhole });
    }
    return rows.some(({ failed }) => failed !== undefined) ? 1 : 0;
  } finally {
    rmSync(data, { recursive: true, force: true, maxRetries: 3 });
  }
}

function modeOf({ quick, full, check }: BenchOptions): string {
  const words = [quick ? "quick" : "whole", full ? "with 10 GB" : "", check ? "checked" : ""];
  return words.filter((word) => word !== "").join(", ");
}

function absolute(options: BenchOptions): BenchOptions {
  const { profileDirectory } = options;
  if (profileDirectory === undefined) return options;
  return { ...options, profileDirectory: resolve(profileDirectory) };
}

const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stop.abort());

try {
  const options = parseOptions(process.argv.slice(2));
  if (options === undefined) console.log(USAGE);
  else process.exitCode = await bench(options, stop.signal);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`${error.message}\n\n${USAGE}`);
  process.exitCode = 2;
}
