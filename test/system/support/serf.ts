import { execFile, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import type { TestContext } from "node:test";
import { promisify } from "node:util";
import { freePort } from "./ports.ts";

const run = promisify(execFile);

export interface SerfSettings {
  readonly tags?: Readonly<Record<string, string>>;
  readonly key?: string | undefined;
  readonly join?: string;
  /** A port of its own, to come back at it. */
  readonly port?: number;
}

export interface SerfMember {
  readonly name: string;
  readonly addr: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly status: string;
}

/** Serf's command line against an agent's RPC port. */
export async function serf(rpc: number, command: string, ...args: string[]): Promise<string> {
  const all = [command, `-rpc-addr=127.0.0.1:${rpc}`, ...args];
  const { stdout } = await run("serf", all, { timeout: 30_000, encoding: "utf8" });
  return stdout;
}

export async function serfMembers(rpc: number, ...args: string[]): Promise<SerfMember[]> {
  const said = await serf(rpc, "members", "-format=json", ...args);
  return (JSON.parse(said) as { members: SerfMember[] | null }).members ?? [];
}

/** Asks again until it is so; rejects after so long with what it was. */
export async function eventually<T>(
  ask: () => Promise<T> | T,
  isSo: (value: T) => boolean,
  ms = 35_000,
): Promise<T> {
  const end = Date.now() + ms;
  for (;;) {
    const value = await ask();
    if (isSo(value)) return value;
    if (Date.now() > end) throw new Error(`after ${ms} ms it was ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** A real agent of Serf, as a process of its own. */
export class SerfAgent {
  readonly name: string;
  readonly port: number;
  readonly rpc: number;
  readonly #child: ChildProcess;
  log = "";

  static async start(
    t: TestContext,
    name: string,
    settings: SerfSettings = {},
  ): Promise<SerfAgent> {
    const port = settings.port ?? (await freePort());
    const rpc = await freePort();
    const tags = Object.entries(settings.tags ?? {}).map(([tag, value]) => `-tag=${tag}=${value}`);
    const child = spawn("serf", [
      "agent",
      `-node=${name}`,
      `-bind=127.0.0.1:${port}`,
      `-rpc-addr=127.0.0.1:${rpc}`,
      "-log-level=debug",
      ...tags,
      ...(settings.key === undefined ? [] : [`-encrypt=${settings.key}`]),
      ...(settings.join === undefined ? [] : [`-join=${settings.join}`]),
    ]);
    const agent = new SerfAgent(name, port, rpc, child);
    t.after(() => agent.kill());
    await agent.says(/Serf agent starting/);
    await eventually(
      () => agent.members().catch(() => []),
      (members) => members.length > 0,
    );
    return agent;
  }

  private constructor(name: string, port: number, rpc: number, child: ChildProcess) {
    this.name = name;
    this.port = port;
    this.rpc = rpc;
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (chunk: Buffer) => (this.log += chunk.toString()));
    }
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  members(...args: string[]): Promise<SerfMember[]> {
    return serfMembers(this.rpc, ...args);
  }

  run(command: string, ...args: string[]): Promise<string> {
    return serf(this.rpc, command, ...args);
  }

  /** Waits until the agent sees a member so. */
  sees(name: string, status: string, ms?: number): Promise<SerfMember[]> {
    const isSo = (members: readonly SerfMember[]): boolean =>
      members.some((member) => member.name === name && member.status === status);
    return eventually(() => this.members(), isSo, ms);
  }

  says(what: RegExp, ms = 35_000): Promise<string> {
    return eventually(
      () => this.log,
      (log) => what.test(log),
      ms,
    );
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGKILL");
    await ended;
  }
}

/** Lines that a healthy cluster never has. */
export function complaints(log: string): string[] {
  // What a tool that hung up leaves behind is not about members.
  const bad = /\[ERR\] (?!agent\.ipc)|Suspect |Was able to connect|Refuting/;
  return log.split("\n").filter((line) => bad.test(line));
}
