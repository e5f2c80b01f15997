import assert from "node:assert/strict";
import { below, chance, encodeBatch, ProglogError, stampBatch } from "../../src/base/index.ts";
import { encodeLogStart, ENTRY_TYPE } from "../../src/log/index.ts";
import type { LogStart } from "../../src/log/index.ts";
import { Machine, turn } from "./model-machine.ts";
import type { Happened } from "./model-machine.ts";
import { endOf, firstOf, probe, Sum } from "./model.ts";

export interface ProgramOptions {
  readonly seed: number;
  readonly steps: number;
  /** False: the log answers before the disk does. */
  readonly fsync: boolean;
}

/**
 * Runs a random program against a log on a faulty disk and a model of it. Throws, with the seed and
 * all steps, when the two differ.
 */
export async function runProgram(options: ProgramOptions): Promise<Happened> {
  const program = new Program(options);
  try {
    await program.run();
  } catch (cause) {
    const how = `seed ${options.seed}, ${options.steps} steps, fsync ${options.fsync}`;
    const steps = program.steps.map((step, i) => `${i + 1}. ${step}`).join("\n  ");
    throw new Error(`${how}: ${String(cause)}\n  ${steps}`, { cause });
  }
  return program.happened;
}

type Step = readonly [weight: number, name: string, run: (program: Program) => Promise<void>];

const STEPS: readonly Step[] = [
  [30, "append", (program) => program.append()],
  [8, "append at once", (program) => program.appendAtOnce()],
  [6, "idle", (program) => program.idle()],
  [6, "cut back", (program) => program.cutBack()],
  [5, "cut front", (program) => program.cutFront()],
  [4, "retain", (program) => program.retain()],
  [2, "reset", (program) => program.reset()],
  [4, "vote", (program) => program.vote()],
  [5, "close", (program) => program.close()],
  [6, "crash", (program) => program.crash()],
  [10, "probe", (program) => program.probe()],
  [3, "bad read", (program) => program.badRead()],
];
const WEIGHTS = STEPS.reduce((sum, [weight]) => sum + weight, 0);

class Program {
  readonly steps: string[] = [];
  readonly #options: ProgramOptions;
  readonly #machine: Machine;
  #serial = 0;

  constructor(options: ProgramOptions) {
    this.#options = options;
    this.#machine = new Machine(options.seed, options.fsync, (what) => this.#note(what));
  }

  get happened(): Happened {
    return this.#machine.happened;
  }

  async run(): Promise<void> {
    const machine = this.#machine;
    await machine.begin();
    for (let i = 0; i < this.#options.steps; i++) {
      if (chance(machine.random, 0.08)) this.#plantFault();
      await this.#step();
      await this.#afterStep();
    }
    this.steps.push("the end");
    await machine.crash();
    await machine.log.close();
  }

  // --- steps -------------------------------------------------------------------------------------

  async append(): Promise<void> {
    for (let i = below(this.#machine.random, 3); i >= 0; i--) this.#takeBatch();
    await this.#machine.sync();
  }

  /** Several callers whose syncs overlap. */
  async appendAtOnce(): Promise<void> {
    const { log, random } = this.#machine;
    const syncs: Promise<void>[] = [];
    for (let i = 0; i < 4; i++) {
      for (let turns = below(random, 6); turns > 0; turns--) await Promise.resolve();
      if (log.failure !== undefined || !this.#tryTakeBatch()) break;
      syncs.push(this.#machine.sync());
    }
    const outcomes = await Promise.allSettled(syncs);
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
  }

  async idle(): Promise<void> {
    const machine = this.#machine;
    machine.clock.advance(below(machine.random, 3) === 0 ? 2000 : 30);
    await turn();
    // The idle fence vouches for everything, also with fsync relaxed.
    if (machine.log.failure === undefined && !machine.hasFault) {
      machine.durable = machine.state.entries.length;
    }
  }

  async cutBack(): Promise<void> {
    const machine = this.#machine;
    const lowest = Math.max(machine.commitIndex + 1, machine.log.firstIndex);
    const from = lowest + below(machine.random, endOf(machine.state).index + 1 - lowest);
    if (chance(machine.random, 0.2)) this.#takeBatch();
    this.#note(`from ${from}`);
    const { entries, beginning } = machine.state;
    const count = Math.min(from - beginning.firstIndex, entries.length);
    machine.acknowledged = Math.min(machine.acknowledged, count);
    machine.durable = Math.min(machine.durable, count);
    await machine.log.truncateBack(from);
    if (count === entries.length) return;
    machine.become(firstOf(machine.state, count));
    machine.happened.cuts++;
  }

  async cutFront(): Promise<void> {
    const { log, random } = this.#machine;
    const { lowestOffset, nextOffset } = log;
    const offset = lowestOffset + below(random, nextOffset - lowestOffset + 1);
    this.#note(`to offset ${offset}`);
    await this.#startAt(log.logStartAt(offset));
  }

  async retain(): Promise<void> {
    const { log, clock } = this.#machine;
    const retentionBytes = this.#machine.pick([0, 500, 3000]);
    const retentionMs = this.#machine.pick([0, 1000]);
    await this.#startAt({ ...log.control.logStart, retentionBytes, retentionMs });
    const start = log.planRetention(clock.now());
    if (start !== undefined) await this.#startAt(start);
  }

  /** Replaces everything by a marker, somewhere ahead or at the very beginning. */
  async reset(): Promise<void> {
    const machine = this.#machine;
    const { log, random } = machine;
    const end = endOf(machine.state);
    const isRestart = chance(random, 0.3);
    const firstIndex = isRestart ? 1 : end.index + below(random, 20);
    const nextOffset = isRestart ? 0 : end.offset + below(random, 20);
    this.#note(`to index ${firstIndex}, offset ${nextOffset}`);
    const { configuration, configurationIndex, featureLevel } = log.control;
    const sum = new Sum();
    sum.value = below(random, 1000);
    const beginning = {
      firstIndex,
      previousTerm: end.term,
      nextOffset,
      appendedAt: end.appendedAt,
      logStart: { index: firstIndex, offset: nextOffset, retentionBytes: 0, retentionMs: 0 },
    };
    const replacement = { beginning: { ...beginning, sum: sum.value }, entries: [] };
    machine.replacement = replacement;
    machine.hardStates = [log.hardState, { ...log.hardState, configurationIndex }];
    await log.reset({
      ...{ configuration, configurationIndex, featureLevel },
      ...{ ...beginning, commitIndex: 0, state: sum.encode() },
    });
    machine.become(replacement);
    machine.commitIndex = 0;
    machine.happened.resets++;
  }

  /** A new term, with a vote. */
  async vote(): Promise<void> {
    const machine = this.#machine;
    const old = machine.log.hardState;
    const hard = { ...old, term: old.term + 1, vote: below(machine.random, 100) };
    machine.hardStates = [old, hard];
    await machine.log.saveHardState(hard);
    machine.hardStates = [hard];
  }

  async close(): Promise<void> {
    const machine = this.#machine;
    machine.clearFault();
    await machine.log.close();
    machine.acknowledged = machine.state.entries.length;
    if (machine.fsync) machine.durable = machine.acknowledged;
    if (chance(machine.random, 0.3)) await machine.crash();
    else await machine.open();
  }

  crash(): Promise<void> {
    return this.#machine.crash();
  }

  probe(): Promise<void> {
    const { log, known, random } = this.#machine;
    return probe(log, known, random);
  }

  /** A read fails, or comes back with a wrong bit, once: nobody outside notices. */
  async badRead(): Promise<void> {
    const machine = this.#machine;
    const { log, random, disk } = machine;
    machine.clearFault();
    const limitOffset = endOf(machine.known).offset;
    // A log that was cut below its start has nothing to read until it has grown beyond it.
    if (log.lowestOffset >= limitOffset) return;
    const offset = log.lowestOffset + below(random, limitOffset - log.lowestOffset);
    const match = { kind: "read", nth: 1 + below(random, 3) } as const;
    const effect = machine.pick([{ error: "EIO" }, { flipBit: "random" }] as const);
    const injection = disk.inject(match, effect);
    await log.readBatches(offset, { maxBytes: 300, limitOffset });
    injection.remove();
    await machine.check();
  }

  // --- one step ----------------------------------------------------------------------------------

  /** Runs a step, in which the process may die at any call of the disk. */
  async #step(): Promise<void> {
    const machine = this.#machine;
    const [, name, run] = this.#pickStep();
    this.steps.push(name);
    const { disk } = machine;
    const stopAt = chance(machine.random, 0.12)
      ? disk.callCount + below(machine.random, 14)
      : Number.POSITIVE_INFINITY;
    disk.stopAfter(stopAt);
    const isDead = (): boolean => disk === machine.disk && disk.callCount > stopAt;
    try {
      await Promise.race([run(this), disk.stopped]);
    } catch (error) {
      if (!isDead()) await machine.takeFailure(error);
    }
    if (isDead()) {
      this.#note(`stopped at call ${stopAt}`);
      await machine.crash();
    }
    machine.disk.stopAfter(Number.POSITIVE_INFINITY);
  }

  /** What happened behind the back of the step; and now and then a look at everything. */
  async #afterStep(): Promise<void> {
    const machine = this.#machine;
    await turn();
    if (machine.log.failure !== undefined) await machine.takeFailure(machine.log.failure);
    if (!chance(machine.random, 0.1)) return;
    machine.clearFault();
    await machine.check();
  }

  #pickStep(): Step {
    let at = below(this.#machine.random, WEIGHTS);
    for (const step of STEPS) {
      at -= step[0];
      if (at < 0) return step;
    }
    return assert.fail("the weights add up");
  }

  #plantFault(): void {
    const machine = this.#machine;
    const kind = machine.pick(["write", "write", "sync", "truncate", "open", "rename"] as const);
    const error = machine.pick(["EIO", "ENOSPC", "ENOSPC"] as const);
    const nth = 1 + below(machine.random, 4);
    const keep = below(machine.random, 700);
    this.steps.push(`(call ${nth} of ${kind} will fail with ${error}, ${keep} bytes kept)`);
    machine.plantFault(kind, nth, error, keep);
  }

  // --- deeds -------------------------------------------------------------------------------------

  async #startAt(start: LogStart): Promise<void> {
    const machine = this.#machine;
    const { log, random } = machine;
    machine.take(ENTRY_TYPE.logStart, encodeLogStart(start), 0);
    const { index } = endOf(machine.state);
    await machine.sync();
    machine.commitIndex = index - 1;
    log.setCommitIndex(machine.commitIndex);
    const before = log.segmentCount;
    while ((await log.startAt(start)) > 0) if (chance(random, 0.3)) break;
    machine.happened.trims += before - log.segmentCount;
  }

  #takeBatch(): void {
    const { log, random, clock } = this.#machine;
    const encoder = new TextEncoder();
    const records = Array.from({ length: 1 + below(random, 3) }, () => {
      const length = below(random, this.#machine.pick([1, 5, 60, 400]));
      return { value: encoder.encode(`${this.#serial++} ${"v".repeat(length)}`) };
    });
    const payload = encodeBatch(records, { nowMs: clock.now() });
    stampBatch(payload, log.nextOffset, log.hardState.term);
    this.#machine.take(ENTRY_TYPE.records, payload, records.length);
  }

  /** False while the log takes back what did not fit. */
  #tryTakeBatch(): boolean {
    try {
      this.#takeBatch();
      return true;
    } catch (error) {
      if (error instanceof ProglogError && error.notAppended) return false;
      throw error;
    }
  }

  #note(what: string): void {
    const last = this.steps.length - 1;
    this.steps[last] = `${this.steps[last] ?? ""}; ${what}`;
  }
}
