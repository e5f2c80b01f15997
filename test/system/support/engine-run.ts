import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { decodeBatch } from "../../../src/base/index.ts";
import { openLog } from "../../../src/log/index.ts";
import { cleanEnvironment } from "../../support/program.ts";
import { engineProgram } from "./engine-program.ts";
import { valueOf } from "./engine-value.ts";

/** Serials of one process; more than it can write before it is killed. */
const SERIALS = 1_000_000;

export interface EngineChildOptions {
  readonly writers?: number;
  /** Appends of each writer; absent: until it is killed. */
  readonly groups?: number;
  readonly segmentBytesMax?: number;
  /** A program and its arguments that runs the process, such as strace. */
  readonly under?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * A log in a directory, written to by processes that die, and the journal of what they acknowledged,
 * kept here, outside of them.
 */
export class EngineRun {
  readonly directory: string;
  acknowledged = 0;
  processes = 0;
  /** Which serial was acknowledged at an offset. */
  readonly #journal: (number | undefined)[] = [];
  /** Which serial a reader saw at an offset: nobody may see another one later. */
  readonly #seen: number[] = [];
  readonly #output: string;

  /** `output` is where its processes write what they say; it must outlive what happens to the log. */
  constructor(directory: string, output = `${directory}.said`) {
    this.directory = directory;
    this.#output = output;
  }

  /** Starts the next process. */
  start(options: EngineChildOptions = {}): EngineProcess {
    const { writers = 4, groups, segmentBytesMax = 8192, under = [], env } = options;
    const first = this.processes++ * SERIALS;
    const settings = JSON.stringify({ first, writers, groups, segmentBytesMax });
    const command = [...under, process.execPath, engineProgram(), this.directory, settings];
    return new EngineProcess(command, env ?? {}, this.#output, (line) => this.#take(line));
  }

  /**
   * Opens the log here and compares it with the journal: from where the last comparison ended, or
   * everything. Throws at the first difference.
   */
  async verify(extent: "new" | "all" = "new"): Promise<void> {
    await using log = await openLog(this.directory, { freeBytesMin: 0, scrubBytesPerSecond: 0 });
    assert.deepEqual(log.engine.recovery.damage, [], "nothing counts as damaged");
    assert.ok(log.nextOffset >= this.#journal.length, "every acknowledged offset is there");
    assert.ok(log.nextOffset >= this.#seen.length, "every offset that was read is there");
    let offset = extent === "all" ? 0 : this.#seen.length;
    if (offset < log.nextOffset) {
      for await (const batch of log.batches({ from: offset })) {
        for (const record of decodeBatch(batch)) {
          if (record.offset < offset) continue;
          assert.equal(record.offset, offset, "offsets are dense");
          this.#check(offset++, Buffer.from(record.value ?? []).toString());
        }
      }
    }
    assert.equal(offset, log.nextOffset, "every record was read");
    const serials = new Set(this.#seen);
    assert.equal(serials.size, this.#seen.length, "no record is there twice");
  }

  #check(offset: number, value: string): void {
    const serial = Number.parseInt(value, 10);
    assert.equal(value, valueOf(serial), `the bytes at offset ${offset}`);
    assert.equal(this.#journal[offset] ?? serial, serial, `what was acknowledged at ${offset}`);
    assert.equal(this.#seen[offset] ?? serial, serial, `what was read before at ${offset}`);
    this.#seen[offset] = serial;
  }

  #take(line: string): void {
    const [word, ...rest] = line.split(" ");
    const numbers = rest.map(Number);
    if (word === "open") {
      const [, next = 0] = numbers;
      assert.ok(
        next >= this.#journal.length,
        `opened at ${next}, ${this.#journal.length} acknowledged`,
      );
      return;
    }
    assert.equal(word, "ack");
    const [baseOffset = 0, serial = 0, count = 0] = numbers;
    for (let i = 0; i < count; i++) {
      assert.equal(this.#journal[baseOffset + i], undefined, "an offset is given once");
      this.#journal[baseOffset + i] = serial + i;
    }
    this.acknowledged += count;
  }
}

/** One process of a run. */
export class EngineProcess {
  /** How it ended, after what it said was taken: an exit code or a signal. */
  readonly ended: Promise<number | NodeJS.Signals>;
  readonly #child: ChildProcess;
  readonly #output: string;
  #stderr = "";

  /** What it says goes into a file: a pipe may be full, and then a word would be lost or waited for. */
  constructor(
    [program = "", ...args]: readonly string[],
    env: Readonly<Record<string, string>>,
    output: string,
    take: (line: string) => void,
  ) {
    this.#output = output;
    const descriptor = openSync(output, "w");
    const child = spawn(program, args, {
      env: cleanEnvironment(env),
      stdio: ["ignore", descriptor, "pipe"],
    });
    closeSync(descriptor);
    this.#child = child;
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.#stderr += text));
    this.ended = this.#end(take);
    // Whoever kills it awaits this; a failure before that is told then.
    this.ended.catch(() => undefined);
  }

  /** Resolves when the log is open, or the process has ended before. */
  async opened(): Promise<void> {
    while (this.#child.exitCode === null && this.#child.signalCode === null) {
      if (statSync(this.#output).size > 0) return;
      await sleep(2);
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async #end(take: (line: string) => void): Promise<number | NodeJS.Signals> {
    const [code, signal] = (await once(this.#child, "close")) as [number | null, NodeJS.Signals];
    // Half a word at the end was never said.
    const lines = readFileSync(this.#output, "utf8").split("\n").slice(0, -1);
    for (const line of lines) take(line);
    if (code === 1) throw new Error(`the process failed: ${this.#stderr}`);
    return code ?? signal;
  }
}
