import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { cleanEnvironment } from "../support/program.ts";

export interface ServerOptions {
  /** The command line's `main.js`. */
  readonly main: string;
  readonly flags: readonly string[];
  /** A program and its arguments that runs the server and becomes it. */
  readonly under: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** What it says goes to the end of this file. */
  readonly logFile: string;
}

/** An exit code, or the signal that ended it. */
export type Ending = number | NodeJS.Signals;

/** `proglog agent` in a process of its own. It counts as running from its start on, ready or not. */
export class Server {
  readonly ended: Promise<Ending>;
  readonly #child: ChildProcess;
  readonly #logFile: string;

  constructor({ main, flags, under, env, logFile }: ServerOptions) {
    const words = [...under, process.execPath, main, "agent", ...flags];
    const [program = "", ...args] = words;
    const file = openSync(logFile, "a");
    this.#logFile = logFile;
    this.#child = spawn(program, args, {
      env: cleanEnvironment(env),
      stdio: ["ignore", "ignore", file],
    });
    closeSync(file);
    this.ended = once(this.#child, "close").then(
      ([code, signal]) => (code as number | null) ?? (signal as NodeJS.Signals),
    );
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** What it said last. */
  lastWords(): string {
    return readFileSync(this.#logFile, "utf8").split("\n").slice(-12).join("\n");
  }
}
