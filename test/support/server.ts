import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import type { TestContext } from "node:test";

import {
  type Agent,
  type AgentConfig,
  type AgentOptions,
  startAgent,
} from "../../src/agent/index.ts";
import type { EndSignal } from "../../src/cli/host.ts";
import { main } from "../../src/cli/program.ts";
import { PROMPT_GOSSIP } from "./gossip-profile.ts";
import { type Program, startProgram } from "./program.ts";
import { root } from "./root.ts";

/** A server in this process, on free ports, with its data in a folder that goes with the test. */
export async function startServer(
  t: TestContext,
  settings: Partial<AgentConfig> = {},
  options: AgentOptions = {},
): Promise<Agent> {
  const folder = mkdtempSync(join(tmpdir(), "proglog-server-"));
  const listen = { rpcPort: 0, httpPort: "auto", bindAddr: "127.0.0.1:0" } as const;
  const defaults = { ...listen, dataDir: join(folder, "data") };
  const running: { agent?: Agent } = {};
  t.after(async () => {
    await running.agent?.close();
    rmSync(folder, { recursive: true });
  });
  const prompt = { gossipProfile: PROMPT_GOSSIP, ...options };
  running.agent = await startAgent({ ...defaults, ...settings }, prompt);
  return running.agent;
}

/** How Node runs the command line from its sources. */
export const CLI: readonly string[] = ["--import", "tsx", join(root, "src", "cli", "main.ts")];

/** Variables for a server that says by its ready line where it listens. */
export const FREE_PORTS: Readonly<Record<string, string>> = {
  PROGLOG_RPC_PORT: "0",
  PROGLOG_BIND_ADDR: "127.0.0.1:0",
  PROGLOG_HTTP_PORT: "auto",
};

/** A server in a process of its own: `args` are for example `["agent", "--data-dir", folder]`. */
export function startCli(
  t: TestContext,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Program> {
  return startProgram(t, process.execPath, [...CLI, ...args], { env: { ...FREE_PORTS, ...env } });
}

/** A command line that has ended. */
export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command line that runs in this process. */
export interface CliRun {
  readonly stdin: PassThrough;
  readonly ended: Promise<CliResult>;
  readonly signal: (signal: EndSignal) => void;
  /** Resolves when standard output or standard error matches. */
  readonly says: (pattern: RegExp) => Promise<RegExpExecArray>;
}

/** Begins a command line in this process, with streams and signals of its own. */
export function beginCli(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): CliRun {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const said = { stdout: "", stderr: "" };
  stdout.setEncoding("utf8").on("data", (text: string) => (said.stdout += text));
  stderr.setEncoding("utf8").on("data", (text: string) => (said.stderr += text));
  // Sent before the command listened: as if it had come right after.
  const early: EndSignal[] = [];
  const listeners = new Set<(signal: EndSignal) => void>();
  const onEndSignal = (listener: (signal: EndSignal) => void) => {
    listeners.add(listener);
    for (const name of early.splice(0)) listener(name);
    return () => void listeners.delete(listener);
  };
  const ended = new Promise<CliResult>((resolve, reject) => {
    const exit = (code: number): void => resolve({ code, ...said });
    const host = { stdin, stdout, stderr, env, pid: process.pid, onEndSignal, exit };
    main(args, host).then((code) => setImmediate(exit, code), reject);
  });
  const says = async (pattern: RegExp): Promise<RegExpExecArray> => {
    for (;;) {
      const found = pattern.exec(said.stdout) ?? pattern.exec(said.stderr);
      if (found !== null) return found;
      const more = new Promise((resolve) => {
        for (const stream of [stdout, stderr]) stream.once("data", resolve);
      });
      const end = ended.then(({ code }) => {
        throw new Error(`it ended (${code}) without saying ${pattern.source}: ${said.stderr}`);
      });
      await Promise.race([more, end]);
    }
  };
  const signal = (name: EndSignal): void => {
    if (listeners.size === 0) early.push(name);
    for (const listener of listeners) listener(name);
  };
  return { stdin, ended, signal, says };
}

/** Runs a command line in this process to its end. */
export function runCli(
  args: readonly string[],
  options: {
    readonly input?: string | Uint8Array;
    readonly env?: Readonly<Record<string, string>>;
  } = {},
): Promise<CliResult> {
  const run = beginCli(args, options.env);
  run.stdin.end(options.input);
  return run.ended;
}
