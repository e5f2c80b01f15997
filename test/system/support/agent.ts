import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { cleanEnvironment } from "../../support/program.ts";
import { root } from "../../support/root.ts";

/** The command line as it is built: it starts twice as fast as from its sources. */
const MAIN = join(root, "dist", "cli", "main.js");
const READY = /ready: .*grpc (\S+), .*pid (\d+)\n/;
const PATIENCE_MS = 60_000;
const LOOK_MS = 20;

export interface AgentProcessOptions {
  readonly dataDir: string;
  /** gRPC and HTTP; 0 or absent: any. */
  readonly port?: number;
  /** Where it gossips; absent: anywhere on the loopback. */
  readonly bindAddr?: string;
  /** More of the command line. */
  readonly flags?: readonly string[];
  /** A program and its arguments that runs the server, such as strace. */
  readonly under?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** `proglog agent` in a process of its own, which a test may end in every way. */
export class AgentProcess {
  /** Resolves with the address of its port; rejects when it ends before. */
  readonly ready: Promise<string>;
  /** The exit code or the signal of the process that was started. */
  readonly ended: Promise<number | NodeJS.Signals>;
  readonly #child: ChildProcess;
  #said = "";
  #pid: number | undefined;

  constructor(options: AgentProcessOptions) {
    const { dataDir, port = 0, bindAddr = "127.0.0.1:0", flags = [], under = [] } = options;
    const agent = [process.execPath, MAIN, "agent", "--data-dir", dataDir, ...flags];
    const listen = ["--rpc-port", String(port), "--bind-addr", bindAddr];
    const [program = "", ...args] = [...under, ...agent, ...listen];
    const stdio: ["ignore", "ignore", "pipe"] = ["ignore", "ignore", "pipe"];
    const child = spawn(program, args, { env: cleanEnvironment(options.env), stdio });
    this.#child = child;
    this.ended = once(child, "close").then(
      ([code, signal]) => (code as number | null) ?? (signal as NodeJS.Signals),
    );
    this.ready = this.#whenReady(child);
    // It may be killed before that, and then nobody asks.
    this.ready.catch(() => undefined);
  }

  get stderr(): string {
    return this.#said;
  }

  /** Of the server itself; undefined before it is ready. */
  get pid(): number | undefined {
    return this.#pid;
  }

  /** Signals the server itself, not the program that runs it. */
  signal(signal: NodeJS.Signals): void {
    if (this.#pid === undefined) this.#child.kill(signal);
    else if (this.#child.exitCode === null && this.#child.signalCode === null) {
      process.kill(this.#pid, signal);
    }
  }

  /** Resolves when it has said something like that, after so much that it said before. */
  async says(what: RegExp, after = 0): Promise<void> {
    const end = performance.now() + PATIENCE_MS;
    while (!what.test(this.#said.slice(after))) {
      if (performance.now() > end) throw new Error(`nothing like ${String(what)}: ${this.#said}`);
      await sleep(LOOK_MS);
    }
  }

  /** Ends it in any case, and waits. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.signal("SIGKILL");
    await this.ended;
  }

  async #whenReady(child: ChildProcess): Promise<string> {
    const said = new Promise<string>((resolve) => {
      child.stderr?.setEncoding("utf8").on("data", (text: string) => {
        this.#said += text;
        const [, address, pid] = READY.exec(this.#said) ?? [];
        if (address === undefined || this.#pid !== undefined) return;
        this.#pid = Number(pid);
        resolve(address);
      });
    });
    const ended = this.ended.then((how) => {
      throw new Error(`it ended (${how}) before it was ready: ${this.#said}`);
    });
    const patience = AbortSignal.timeout(PATIENCE_MS);
    const late = once(patience, "abort").then(() => {
      throw new Error(`it is not ready after ${PATIENCE_MS} ms: ${this.#said}`);
    });
    return await Promise.race([said, ended, late]);
  }
}
