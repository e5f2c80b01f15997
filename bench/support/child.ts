import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { profilingFlags } from "./profiling.ts";

/** What goes over the channel between a row and a process of its own. */
export interface ChildRequest {
  readonly id: number;
  readonly name: string;
  readonly argument: unknown;
}

export interface ChildReply {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

const STOP_MS_MAX = 10_000;

/** A process beside the row's: another server, another client. It answers calls by name. */
export class Child implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, (reply: ChildReply) => void>();
  #nextId = 1;

  private constructor(process: ChildProcess) {
    this.#process = process;
    process.on("message", (reply: ChildReply) => {
      this.#waiting.get(reply.id)?.(reply);
      this.#waiting.delete(reply.id);
    });
    process.on("exit", (code, signal) => {
      const error = `a process of the row has ended (${String(signal ?? code)})`;
      for (const [id, wake] of this.#waiting) wake({ id, error });
      this.#waiting.clear();
    });
  }

  /** Starts a file of `support/`, by its name without suffix. */
  static async start(name: string, args: readonly string[] = []): Promise<Child> {
    const file = fileURLToPath(new URL(`./${name}.js`, import.meta.url));
    const process = fork(file, [...args], {
      execArgv: profilingFlags(),
      serialization: "advanced",
    });
    await once(process, "spawn");
    return new Child(process);
  }

  get pid(): number {
    const { pid } = this.#process;
    if (pid === undefined) throw new Error("the process was not started");
    return pid;
  }

  async call(name: string, argument?: unknown): Promise<unknown> {
    const id = this.#nextId++;
    const answered = new Promise<ChildReply>((resolve) => this.#waiting.set(id, resolve));
    if (!this.#process.connected) throw new Error("the process has ended");
    this.#process.send({ id, name, argument } satisfies ChildRequest);
    const { result, error } = await answered;
    if (error !== undefined) throw new Error(`${name}: ${error}`);
    return result;
  }

  /** Ends it as a power cut would, as far as this process is concerned. */
  async kill(): Promise<void> {
    await this.#end(() => this.#process.kill("SIGKILL"));
  }

  /** Lets it end by itself, which it does when the channel is closed. */
  async [Symbol.asyncDispose](): Promise<void> {
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), STOP_MS_MAX);
    await this.#end(() => this.#process.connected && this.#process.disconnect());
    clearTimeout(timer);
  }

  async #end(how: () => unknown): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, "exit");
    how();
    await exited;
  }
}
