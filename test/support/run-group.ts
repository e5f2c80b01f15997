import { spawn, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

import { TALLY_FD, addToTally, type Tally, type TallyLine } from "./tally.ts";

export interface GroupOptions {
  /** A regular expression that a test's name must match. */
  readonly namePattern: string | undefined;
  /** Without any finished test for so long, the group is taken for hung. */
  readonly silentMsMax: number;
  /** True: print as it happens. False: print when the group has ended, so that groups do not mix. */
  readonly live: boolean;
  /** The checkout that the files are of; the process runs in it. */
  readonly root: string;
  readonly signal: AbortSignal;
}

/** For Node and its loader to start, on a machine that is busy with other things. */
const STARTING_MS_MAX = 60_000;

const here = import.meta.dirname;

/** Runs test files one after another in one process of their own, and adds up what became of them. */
export async function runGroup(
  files: readonly string[],
  tally: Tally,
  options: GroupOptions,
): Promise<void> {
  const { namePattern, live, root, signal } = options;
  const flags = [
    ...process.execArgv,
    `--test-reporter=${join(here, "reporter.ts")}`,
    "--test-reporter-destination=stdout",
    ...(namePattern === undefined ? [] : [`--test-name-pattern=${namePattern}`]),
  ];
  const stdio = live ? "inherit" : "pipe";
  const child = spawn(process.execPath, [...flags, join(here, "worker.ts"), ...files], {
    cwd: root,
    stdio: ["ignore", stdio, stdio, "pipe"],
    signal,
    killSignal: "SIGTERM",
  });
  const output = collect(child);
  const outcome = await follow(child, tally, options.silentMsMax);
  process.stdout.write(Buffer.concat(output));
  if (outcome === undefined) return;
  const failure = `${outcome} in ${files.length === 1 ? "" : "one of "}${files.join(" ")}`;
  tally.failed.push(failure);
  process.stdout.write(`✖ ${failure}\n`);
}

function collect(child: ChildProcess): Buffer[] {
  const output: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (bytes: Buffer) => output.push(bytes));
  }
  return output;
}

/** Resolves when the process is gone: with undefined when its tests tell it all, else with the trouble. */
async function follow(
  child: ChildProcess,
  tally: Tally,
  silentMsMax: number,
): Promise<string | undefined> {
  const state = { hung: false, ended: false, failed: 0, last: "the start" };
  const giveUp = (): void => {
    state.hung = true;
    child.kill("SIGKILL");
  };
  let watchdog = setTimeout(giveUp, STARTING_MS_MAX);
  const lines = createInterface({ input: child.stdio[TALLY_FD] as Readable });
  lines.on("line", (text) => {
    const line = JSON.parse(text) as TallyLine;
    if (line.outcome === "end") state.ended = true;
    else if (line.outcome !== "begin") state.last = `"${line.name}"`;
    if (line.outcome === "failed") state.failed++;
    addToTally(tally, line);
    clearTimeout(watchdog);
    watchdog = setTimeout(giveUp, silentMsMax);
  });
  const how = await new Promise<string>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve(signal ?? `exit ${code ?? "?"}`));
  });
  clearTimeout(watchdog);
  const { hung, ended, failed, last } = state;
  if (hung) {
    const seconds = silentMsMax / 1_000;
    return `nothing happened for ${seconds} s after ${last}: a test hangs, or left something open,`;
  }
  if (!ended) return `the process ended (${how}) too early, after ${last},`;
  // An error in what a test left behind comes when nobody waits for it any more: it fails no test.
  if (how !== "exit 0" && failed === 0) return "an error that belongs to no test";
  return undefined;
}
