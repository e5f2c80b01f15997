import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { cleanEnvironment } from "../../support/program.ts";
import { root } from "../../support/root.ts";
import { AgentProcess } from "./agent.ts";
import { freePort } from "./ports.ts";

const execute = promisify(execFile);
const MAIN = join(root, "dist", "cli", "main.js");
const BLOCK_MS_MAX = 120_000;

/** A block of a page, and on which machines it is run: `safe` is where the operator sits. */
export interface Block {
  readonly section: string;
  readonly where: string;
  readonly text: string;
}

const PIECE = /^## (.+)$|<!-- test: (.+?) -->\n\n```sh\n([^]*?)```/gm;

/** The blocks of a page below `<!-- test: where -->`, with their headings. */
export function findBlocks(markdown: string): Block[] {
  let section = "";
  const blocks: Block[] = [];
  for (const [, heading, where, text] of markdown.matchAll(PIECE)) {
    if (heading !== undefined) section = heading;
    else blocks.push({ section, where: where ?? "", text: text ?? "" });
  }
  return blocks;
}

interface Machine {
  readonly name: string;
  /** In place of `/etc/proglog` and `/var/lib/proglog`. */
  readonly etc: string;
  readonly dataDir: string;
  readonly port: number;
  readonly bindAddr: string;
  server: AgentProcess | undefined;
}

/**
 * Folders that stand for machines on which systemd runs our unit: what a page says of them is done there,
 * with their folders in place of the system's, and this machine's ports in place of their hosts.
 */
export class Machines implements AsyncDisposable {
  readonly home: string;
  readonly #bin: string;
  readonly #machines = new Map<string, Machine>();
  /** Comes before all that the operator does. */
  #always = "";

  static async make(folder: string, names: readonly string[]): Promise<Machines> {
    const machines = new Machines(folder);
    for (const name of names) {
      const [etc, dataDir] = [join(folder, name, "etc"), join(folder, name, "data")];
      for (const path of [join(etc, "tls"), join(etc, "new"), dataDir]) {
        mkdirSync(path, { recursive: true });
      }
      const [port, bindAddr] = [await freePort(), `127.0.0.1:${await freePort()}`];
      machines.#machines.set(name, { name, etc, dataDir, port, bindAddr, server: undefined });
    }
    return machines;
  }

  private constructor(folder: string) {
    this.home = join(folder, "home");
    this.#bin = join(folder, "bin");
    for (const path of [this.home, this.#bin]) mkdirSync(path);
    const program = join(this.#bin, "proglog");
    writeFileSync(program, `#!/bin/sh\nexec "${process.execPath}" "${MAIN}" "$@"\n`);
    chmodSync(program, 0o755);
  }

  etc(name: string): string {
    return this.#machine(name).etc;
  }

  address(name: string): string {
    return `127.0.0.1:${this.#machine(name).port}`;
  }

  server(name: string): AgentProcess {
    return this.#machine(name).server ?? assert.fail(`the server of ${name} runs`);
  }

  /** Does a block wherever the page says. */
  async do({ where, text }: Block): Promise<void> {
    if (where === "always") this.#always += text;
    else if (where === "safe") await this.operate(text);
    else for (const name of where.split(" ")) await this.on(name, text);
  }

  /** What the operator does, from where it is safe; answers what was printed. */
  async operate(text: string): Promise<string> {
    return await this.#shell(this.#translated(`${this.#always}${text}`));
  }

  /** The same on a machine. Lines that ask systemd for something are done here. */
  async on(name: string, text: string): Promise<void> {
    const { etc, dataDir } = this.#machine(name);
    const pieces = text
      .replaceAll("$NAME", name)
      .replaceAll("/etc/proglog", etc)
      .replaceAll("/var/lib/proglog", dataDir)
      .split(/^systemctl (start|stop|restart) proglog$/m);
    for (const [at, piece] of pieces.entries()) {
      if (at % 2 === 0) await this.#shell(this.#translated(piece));
      else await this.#systemctl(name, piece);
    }
  }

  /** The machine is gone, as by fire. */
  async lose(name: string): Promise<void> {
    const machine = this.#machine(name);
    await machine.server?.[Symbol.asyncDispose]();
    machine.server = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#machines.keys()].map((name) => this.lose(name)));
  }

  async #systemctl(name: string, verb: string): Promise<void> {
    const machine = this.#machine(name);
    if (verb !== "start" && machine.server !== undefined) {
      machine.server.signal("SIGTERM");
      assert.equal(await machine.server.ended, 0, machine.server.stderr);
      machine.server = undefined;
    }
    if (verb === "stop") return;
    const { etc, dataDir, port, bindAddr } = machine;
    const flags = ["--config-file", join(etc, "proglog.yaml")];
    const env = environmentFile(join(etc, "proglog.env"));
    machine.server = new AgentProcess({ dataDir, port, bindAddr, flags, env });
  }

  #translated(text: string): string {
    return text
      .replaceAll(/\b([a-e])\.example:8400/g, (_, name: string) => this.address(name))
      .replaceAll(/\b([a-e])\.example:8401/g, (_, name: string) => this.#machine(name).bindAddr)
      .replaceAll(/(?:\$NAME|\b[a-e])\.example/g, "127.0.0.1");
  }

  async #shell(text: string): Promise<string> {
    if (text.trim() === "") return "";
    const path = `${this.#bin}:${process.env["PATH"] ?? ""}`;
    const env = cleanEnvironment({ HOME: this.home, PATH: path });
    const options = { env, cwd: this.home, timeout: BLOCK_MS_MAX, maxBuffer: 1 << 26 };
    return (await execute("sh", ["-euc", text], options)).stdout;
  }

  #machine(name: string): Machine {
    return this.#machines.get(name) ?? assert.fail(`there is a machine ${name}`);
  }
}

/** Systemd's: a variable a line. */
function environmentFile(path: string): Record<string, string> {
  const lines = readFileSync(path, "utf8").split("\n").filter(Boolean);
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );
}
