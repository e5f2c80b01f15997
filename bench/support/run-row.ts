import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ROWS } from "../rows/index.ts";
import type { RowName } from "../rows/index.ts";
import { profilingEnvironment, profilingFlags } from "./profiling.ts";
import { failed } from "./result.ts";
import type { RowResult } from "./result.ts";
import type { RowOptions } from "./row.ts";

export interface Places {
  /** Where the compiled code is. */
  readonly build: string;
  /** Where rows keep their data. */
  readonly data: string;
}

/** Runs one row in a process group of its own, of which nothing is left afterwards. */
export async function runRow(
  name: RowName,
  options: RowOptions,
  places: Places,
  signal: AbortSignal,
): Promise<readonly RowResult[]> {
  const directory = join(places.data, name);
  mkdirSync(directory, { recursive: true });
  const environment = profilingEnvironment(options.profileDirectory);
  const argument = JSON.stringify({ ...options, directory });
  const child = fork(join(places.build, "bench/support/row-process.js"), [name, argument], {
    detached: true,
    env: { ...process.env, ...environment },
    execArgv: profilingFlags(options.profileDirectory),
    serialization: "advanced",
  });
  try {
    return await outcome(child, name, signal);
  } finally {
    endGroup(child);
    rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
  }
}

function outcome(
  child: ChildProcess,
  name: RowName,
  signal: AbortSignal,
): Promise<readonly RowResult[]> {
  const { minutesMax } = ROWS[name];
  return new Promise((resolve, reject) => {
    let results: readonly RowResult[] | undefined;
    const onAbort = (): void => endGroup(child);
    signal.addEventListener("abort", onAbort, { once: true });
    const timer = setTimeout(() => {
      results = [failed(name, `it took more than ${minutesMax} minutes`)];
      endGroup(child);
    }, minutesMax * 60_000);
    child.on("message", (message) => (results = message as readonly RowResult[]));
    child.on("error", reject);
    child.on("exit", (code, how) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      resolve(results ?? [failed(name, `its process ended with ${String(how ?? code)}`)]);
    });
  });
}

/** The row's process and whatever it started: they share a group, and nobody else is in it. */
function endGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // Nobody is left in it.
  }
}
