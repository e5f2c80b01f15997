import { execFile, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants } from "node:fs";
import { createRequire } from "node:module";
import { connect, createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const START_MS_MAX = 10_000;
const INSTALL_MS_MAX = 120_000;
const STOP_MS_MAX = 10_000;

/** Why a peer cannot be measured here. */
export class PeerAbsent extends Error {}

function findProgram(name: string): string {
  // Debian's own place for servers is not on everyone's path.
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin"];
  for (const folder of folders) {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return join(folder, name);
    } catch {
      // Perhaps in the next.
    }
  }
  throw new PeerAbsent(`${name} is not installed (on Debian: apt-get install ${name})`);
}

/** A peer's client for Node is no dependency of ours: it is fetched for the row, and goes with it. */
export async function installClient(
  folder: string,
  name: string,
  version: string,
): Promise<unknown> {
  const args = ["install", "--no-save", "--no-audit", "--no-fund", "--prefix", folder];
  try {
    await promisify(execFile)("npm", [...args, `${name}@${version}`], { timeout: INSTALL_MS_MAX });
  } catch (error) {
    const reason = error instanceof Error ? error.message.split("\n", 2).join(": ") : String(error);
    throw new PeerAbsent(`the npm package ${name} could not be installed: ${reason}`);
  }
  const require = createRequire(join(folder, "node_modules", "from-here.js"));
  return require(name) as unknown;
}

export interface Program extends AsyncDisposable {
  readonly port: number;
}

/** Starts a server on a free port of the loopback, and waits until it takes connections. */
export async function startProgram(
  name: string,
  argsFor: (port: number) => readonly string[],
): Promise<Program> {
  const path = findProgram(name);
  const port = await freePort();
  const child = spawn(path, [...argsFor(port)], { stdio: "ignore" });
  await once(child, "spawn");
  const endMs = performance.now() + START_MS_MAX;
  while (!(await accepts(port))) {
    if (child.exitCode !== null || performance.now() > endMs) {
      child.kill("SIGKILL");
      throw new PeerAbsent(`${name} does not start`);
    }
    await sleep(50);
  }
  return { port, [Symbol.asyncDispose]: () => stop(child) };
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX);
  child.kill("SIGTERM");
  await exited;
  clearTimeout(timer);
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
