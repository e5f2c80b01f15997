import { spawn, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";

import { MARKS_OF_FILE } from "./reporter.ts";
import { addToTally, FILES_FD, TALLY_FD, type Tally, type WorkerLine } from "./tally.ts";

export interface RunOptions {
  /** After so many files a process ends, and the next file gets a fresh one. */
  readonly filesPerProcess: number;
  /** A regular expression that a test's name must match. */
  readonly namePattern: string | undefined;
  /** Without any finished test for so long, a process is taken for hung. */
  readonly silentMsMax: number;
  /** The checkout that the files are of; the process runs in it. */
  readonly root: string;
  readonly signal: AbortSignal;
}

/** For Node and its loader to start, on a machine that is busy with other things. */
const STARTING_MS_MAX = 60_000;

const here = import.meta.dirname;

/**
 * Runs test files of the queue one after another in one process of their own, prints what became of their
 * tests, and adds it up. Resolves when the process is gone, perhaps before the queue is empty.
 */
export async function runFiles(queue: string[], tally: Tally, options: RunOptions): Promise<void> {
  const child = startWorker(options);
  const run = new Run(child, queue, tally, options);
  const how = await new Promise<string>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve(signal ?? `exit ${code ?? "?"}`));
  });
  const trouble = run.ended(how);
  if (trouble === undefined) return;
  tally.failed.push(trouble);
  process.stdout.write(`✖ ${trouble}\n`);
}

function startWorker({ namePattern, root, signal }: RunOptions): ChildProcess {
  // Several patterns select what matches any of them.
  const patterns =
    namePattern === undefined ? [] : [namePattern, ...MARKS_OF_FILE.map((mark) => `^${mark}$`)];
  const flags = [
    ...process.execArgv,
    `--test-reporter=${join(here, "reporter.ts")}`,
    "--test-reporter-destination=stdout",
    ...patterns.map((pattern) => `--test-name-pattern=${pattern}`),
  ];
  return spawn(process.execPath, [...flags, join(here, "worker.ts")], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit", "pipe", "pipe"],
    signal,
    killSignal: "SIGTERM",
  });
}

/** One process: what it was given, and what it said. */
class Run {
  readonly #child: ChildProcess;
  readonly #queue: string[];
  readonly #tally: Tally;
  readonly #options: RunOptions;
  #given = 0;
  #file = "the start";
  #last = "the start";
  #failed = 0;
  #isHung = false;
  #isDone = false;
  #watchdog: NodeJS.Timeout;

  constructor(child: ChildProcess, queue: string[], tally: Tally, options: RunOptions) {
    this.#child = child;
    this.#queue = queue;
    this.#tally = tally;
    this.#options = options;
    this.#watchdog = setTimeout(this.#giveUp, STARTING_MS_MAX);
    const lines = createInterface({ input: child.stdio[TALLY_FD] as Readable });
    lines.on("line", (text) => this.#heard(JSON.parse(text) as WorkerLine));
    // It may be gone before it reads.
    child.stdio[FILES_FD]?.on("error", () => undefined);
  }

  /** Of a process that has ended: undefined when its tests told it all, else the trouble. */
  ended(how: string): string | undefined {
    clearTimeout(this.#watchdog);
    // One that could not even begin would be tried without end.
    if (!this.#isDone && this.#given === 0) this.#file = this.#queue.shift() ?? this.#file;
    const seconds = this.#options.silentMsMax / 1_000;
    const [file, last] = [this.#file, this.#last];
    if (this.#isHung) {
      return `nothing happened for ${seconds} s after ${last}: a test hangs, or left something open, in ${file}`;
    }
    if (!this.#isDone) return `the process ended (${how}) too early, after ${last}, in ${file}`;
    // An error in what a test left behind comes when nobody waits for it any more: it fails no test.
    if (how !== "exit 0" && this.#failed === 0) return `an error that belongs to no test (${how})`;
    return undefined;
  }

  readonly #giveUp = (): void => {
    this.#isHung = true;
    this.#child.kill("SIGKILL");
  };

  #heard(line: WorkerLine): void {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(this.#giveUp, this.#options.silentMsMax);
    if (line.outcome === "ready") {
      this.#giveNext();
      return;
    }
    this.#last = `"${line.name}"`;
    if (line.outcome === "failed") this.#failed++;
    addToTally(this.#tally, line);
    process.stdout.write(line.report);
  }

  #giveNext(): void {
    const mayTake = this.#given < this.#options.filesPerProcess;
    const file = mayTake ? this.#queue.shift() : undefined;
    const answer = this.#child.stdio[FILES_FD] as Writable;
    if (file === undefined) {
      this.#isDone = true;
      answer.end();
      return;
    }
    this.#given++;
    this.#file = file;
    answer.write(`${file}\n`);
  }
}
