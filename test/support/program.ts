import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

import { root } from "./root.ts";

/** Long enough for a first start on a busy machine that has to install and compile before. */
const READY_MS_MAX = 240_000;
const END_MS_MAX = 30_000;

/** What the ready line says. */
export interface Ready {
  readonly http: string | undefined;
  readonly grpc: string;
  readonly pid: number;
}

/** A server in a process of its own, perhaps below an npm or a shell. */
export interface Program extends Ready {
  /** The exit code of the process that was started (not of the server below it). */
  readonly ended: Promise<number | NodeJS.Signals>;
  /** Signals the server itself and waits for the process that was started. */
  readonly end: (signal: NodeJS.Signals) => Promise<number | NodeJS.Signals>;
  readonly stderr: () => string;
}

export interface StartOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** A folder that is removed with everything in it when the test has ended. */
export function makeFolder(t: TestContext): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "proglog-test-")));
  t.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));
  return folder;
}

/** This process's environment without what proglog, or the npm around us, would read from it. */
export function cleanEnvironment(more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(PROGLOG_(?!DEBUG_TELEMETRY)|npm_lifecycle_|npm_package_)/.test(name),
  );
  return { ...Object.fromEntries(kept), ...more };
}

/** Free ports, and a folder for the data: for servers that are told by variables. */
export function freePorts(dataDir: string): Record<string, string> {
  return {
    PROGLOG_HTTP_PORT: "auto",
    PROGLOG_RPC_PORT: "0",
    PROGLOG_BIND_ADDR: "127.0.0.1:0",
    PROGLOG_DATA_DIR: dataDir,
  };
}

/** Starts a program that serves, and resolves with what its ready line says. */
export async function startProgram(
  t: TestContext,
  command: string,
  args: readonly string[],
  options: StartOptions = {},
): Promise<Program> {
  const child = spawn(command, args, {
    cwd: options.cwd ?? root,
    env: cleanEnvironment(options.env),
    stdio: ["ignore", "ignore", "pipe"],
  });
  const said = { text: "" };
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said.text += text));
  const ended = new Promise<number | NodeJS.Signals>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve(code ?? signal ?? "SIGKILL"));
  });
  const ready = await waitForReady(child, said, ended);
  t.after(() => {
    kill(ready.pid, "SIGKILL");
    child.kill("SIGKILL");
  });
  const end = async (signal: NodeJS.Signals): Promise<number | NodeJS.Signals> => {
    kill(ready.pid, signal);
    return await within(END_MS_MAX, ended, () => `no end after ${signal}: ${said.text}`);
  };
  return { ...ready, ended, end, stderr: () => said.text };
}

const READY = /ready: (?:http (\S+), )?grpc (\S+), .*pid (\d+)\n/;

async function waitForReady(
  child: ChildProcess,
  said: { readonly text: string },
  ended: Promise<unknown>,
): Promise<Ready> {
  const ready = new Promise<Ready>((resolve) => {
    child.stderr?.on("data", () => {
      const [, http, grpc = "", pid] = READY.exec(said.text) ?? [];
      if (pid !== undefined) resolve({ http, grpc, pid: Number(pid) });
    });
  });
  const early = ended.then((how) => {
    throw new Error(`ended (${String(how)}) before it was ready: ${said.text}`);
  });
  return await within(READY_MS_MAX, Promise.race([ready, early]), () => {
    child.kill("SIGKILL");
    return `not ready: ${said.text}`;
  });
}

async function within<T>(ms: number, work: Promise<T>, why: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(why())), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended already.
  }
}

/** Runs a program to its end; throws with all it said when that is not exit 0. Answers its output. */
export function runProgram(
  command: string,
  args: readonly string[],
  options: StartOptions & { readonly input?: string } = {},
): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: options.cwd ?? root,
    env: cleanEnvironment(options.env),
    encoding: "utf8",
    input: options.input ?? "",
  });
  if (status === 0) return stdout;
  const how = error?.message ?? `exit ${status ?? "by a signal"}`;
  throw new Error(`${command} ${args.join(" ")}: ${how}\n${stdout}${stderr}`);
}
