import assert from "node:assert/strict";
import {
  below,
  chance,
  encodeBatch,
  ProglogError,
  seededRandom,
  stampBatch,
} from "../../src/base/index.ts";
import type { Random } from "../../src/base/index.ts";
import { encodeLogStart, ENTRY_TYPE } from "../../src/log/index.ts";
import type { EntryType, HardState, Log, LogOptions, LogStart } from "../../src/log/index.ts";
import { FaultDisk } from "../../sim/disk/index.ts";
import type { CrashOptions, Injection } from "../../sim/disk/index.ts";
import { ManualClock } from "./manual-clock.ts";
import type { Candidate, State } from "./model.ts";
import {
  checkWhole,
  emptyState,
  endOf,
  firstOf,
  logStartOf,
  probe,
  recognise,
  Sum,
} from "./model.ts";
import { openOn, prepare } from "./workload.ts";

export interface ProgramOptions {
  readonly seed: number;
  readonly steps: number;
  /** False: the log answers before the disk does. */
  readonly fsync: boolean;
}

/** How often what happened, over a run: a run in which nothing happens proves nothing. */
export type Happened = Record<
  "records" | "kills" | "powerCuts" | "died" | "diskFull" | "cuts" | "resets" | "rolls" | "trims",
  number
>;

export const nothingHappened: Happened = {
  records: 0,
  kills: 0,
  powerCuts: 0,
  died: 0,
  diskFull: 0,
  cuts: 0,
  resets: 0,
  rolls: 0,
  trims: 0,
};

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
  readonly happened: Happened = { ...nothingHappened };
  readonly #options: ProgramOptions;
  readonly #random: Random;
  readonly #clock = new ManualClock();
  readonly #sum = new Sum();
  readonly #logOptions: Partial<LogOptions>;
  #disk: FaultDisk;
  #log_: Log | undefined;

  /** Everything taken and not taken back. */
  #state: State = emptyState;
  /** How many of its entries were acknowledged, and how many a power cut cannot take. */
  #acknowledged = 0;
  #durable = 0;
  /** While the log is being replaced: what by. */
  #replacement: State | undefined;
  #hardStates: readonly HardState[] = [];
  #commit = 0;
  #serial = 0;
  #fault: Injection | undefined;

  constructor(options: ProgramOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
    this.#disk = new FaultDisk({ random: seededRandom(options.seed + 1) });
    this.#logOptions = {
      clock: this.#clock,
      random: seededRandom(options.seed + 2),
      state: this.#sum,
      fsync: options.fsync,
      segmentBytesMax: this.#pick([300, 900, 2500, 100_000]),
      tailCacheBytesMax: this.#pick([0, 500, 100_000]),
    };
  }

  async run(): Promise<void> {
    await prepare(this.#disk);
    await this.#open();
    for (let i = 0; i < this.#options.steps; i++) {
      if (chance(this.#random, 0.08)) this.#plantFault();
      await this.#step();
      await this.#afterStep();
    }
    await this.crash();
    await this.#log.close();
  }

  // --- steps -------------------------------------------------------------------------------------

  async append(): Promise<void> {
    const log = this.#log;
    for (let i = below(this.#random, 3); i >= 0; i--) this.#takeBatch();
    await this.#sync(log);
  }

  /** Several callers whose syncs overlap, and readers among them. */
  async appendAtOnce(): Promise<void> {
    const log = this.#log;
    const syncs: Promise<void>[] = [];
    for (let i = 0; i < 4; i++) {
      for (let turns = below(this.#random, 6); turns > 0; turns--) await Promise.resolve();
      if (log.failure !== undefined) break;
      if (!this.#tryTakeBatch()) break;
      syncs.push(this.#sync(log));
    }
    const outcomes = await Promise.allSettled(syncs);
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
  }

  async idle(): Promise<void> {
    this.#clock.advance(below(this.#random, 3) === 0 ? 2000 : 30);
    await turn();
    if (this.#isAlive && this.#fault === undefined) this.#durable = this.#state.entries.length;
  }

  async cutBack(): Promise<void> {
    const { firstIndex } = this.#state.beginning;
    const lowest = Math.max(this.#commit + 1, this.#log.firstIndex);
    const from = lowest + below(this.#random, endOf(this.#state).index + 1 - lowest);
    if (chance(this.#random, 0.2)) this.#takeBatch();
    const count = Math.min(from - firstIndex, this.#state.entries.length);
    this.#note(`from ${from}`);
    this.#acknowledged = Math.min(this.#acknowledged, count);
    this.#durable = Math.min(this.#durable, count);
    await this.#log.truncateBack(from);
    if (count === this.#state.entries.length) return;
    this.#state = firstOf(this.#state, count);
    this.#acknowledged = this.#durable = count;
    this.happened.cuts++;
  }

  async cutFront(): Promise<void> {
    const log = this.#log;
    const { lowestOffset, nextOffset } = log;
    const offset = lowestOffset + below(this.#random, nextOffset - lowestOffset + 1);
    this.#note(`to offset ${offset}`);
    await this.#startAt(log.logStartAt(offset));
  }

  async retain(): Promise<void> {
    const log = this.#log;
    const retentionBytes = this.#pick([0, 500, 3000]);
    const retentionMs = this.#pick([0, 1000]);
    await this.#startAt({ ...log.control.logStart, retentionBytes, retentionMs });
    const start = log.planRetention(this.#clock.now());
    if (start !== undefined) await this.#startAt(start);
  }

  async reset(): Promise<void> {
    const end = endOf(this.#state);
    const isRestart = chance(this.#random, 0.3);
    const firstIndex = isRestart ? 1 : end.index + below(this.#random, 20);
    const nextOffset = isRestart ? 0 : end.offset + below(this.#random, 20);
    const beginning = {
      firstIndex,
      previousTerm: end.term,
      nextOffset,
      appendedAt: end.appendedAt,
      logStart: { index: firstIndex, offset: nextOffset, retentionBytes: 0, retentionMs: 0 },
      sum: below(this.#random, 1000),
    };
    this.#note(`to index ${firstIndex}, offset ${nextOffset}`);
    const { configuration, configurationIndex, featureLevel } = this.#log.control;
    const sum = new Sum();
    sum.value = beginning.sum;
    this.#replacement = { beginning, entries: [] };
    const hard = this.#log.hardState;
    this.#hardStates = [hard, { ...hard, configurationIndex }];
    await this.#log.reset({
      ...{ configuration, configurationIndex, featureLevel },
      ...{ ...beginning, commitIndex: 0, state: sum.encode() },
    });
    this.#become(this.#replacement);
    this.#commit = 0;
    this.happened.resets++;
  }

  /** A new term, with a vote. */
  async vote(): Promise<void> {
    const old = this.#log.hardState;
    const hard = { ...old, term: old.term + 1, vote: below(this.#random, 100) };
    this.#hardStates = [old, hard];
    await this.#log.saveHardState(hard);
    this.#hardStates = [hard];
  }

  async close(): Promise<void> {
    this.#clearFault();
    await this.#log.close();
    this.#acknowledged = this.#state.entries.length;
    if (this.#options.fsync) this.#durable = this.#acknowledged;
    if (chance(this.#random, 0.3)) await this.crash();
    else await this.#open();
  }

  probe(): Promise<void> {
    return probe(this.#log, this.#known, this.#random);
  }

  /** A read fails, or comes back with a wrong bit, once: nobody outside notices. */
  async badRead(): Promise<void> {
    this.#clearFault();
    const match = { kind: "read", nth: 1 + below(this.#random, 3) } as const;
    const effect = chance(this.#random, 0.5)
      ? ({ error: "EIO" } as const)
      : ({ flipBit: "random" } as const);
    const { lowestOffset } = this.#log;
    const limitOffset = endOf(this.#known).offset;
    if (lowestOffset === limitOffset) return;
    const offset = lowestOffset + below(this.#random, limitOffset - lowestOffset);
    const injection = this.#disk.inject(match, effect);
    await this.#log.readBatches(offset, { maxBytes: 300, limitOffset });
    injection.remove();
    await checkWhole(this.#log, this.#state, this.#sum);
  }

  // --- crashes -----------------------------------------------------------------------------------

  /** The process dies, or the power goes; then everything is looked at. */
  async crash(): Promise<void> {
    this.#clearFault();
    const isKill = chance(this.#random, 0.4);
    this.#lose(isKill ? "kill" : this.#crashOptions());
    // A start may be cut off as well.
    for (let i = 0; i < 2 && chance(this.#random, 0.25); i++) {
      const after = below(this.#random, 25);
      this.#disk.stopAfter(after);
      await Promise.race([openOn(this.#disk, this.#logOptions), this.#disk.stopped]);
      this.#note(`again after ${after} calls of the start`);
      this.#lose(chance(this.#random, 0.3) ? "kill" : this.#crashOptions());
    }
    this.#disk.stopAfter(Infinity);
    await this.#open();
  }

  #lose(how: "kill" | CrashOptions): void {
    this.#note(how === "kill" ? "kill" : JSON.stringify(how));
    if (how === "kill") {
      this.happened.kills++;
      this.#disk = this.#disk.kill(this.#pick(["none", "all", "random"]));
    } else {
      this.happened.powerCuts++;
      this.#disk = this.#disk.crash(how);
      this.#acknowledged = Math.min(this.#acknowledged, this.#durable);
    }
  }

  #crashOptions(): CrashOptions {
    const keep = this.#pick(["none", "all", "random", "random", "torn"] as const);
    const directories = this.#pick(["none", "all", "ordered", "random"] as const);
    const unsynced = this.#disk.medium.unsyncedBytes();
    switch (keep) {
      case "torn": {
        const tail = this.#pick(["cut", "zeros", "junk"] as const);
        return { keep, at: below(this.#random, unsynced + 1), tail, directories };
      }
      case "random":
        return { keep, directories, blockBytes: this.#pick([512, 4096] as const) };
      case "none":
      case "all":
        return { keep, directories };
    }
  }

  async #open(): Promise<void> {
    const before = this.#log_?.lowestOffset ?? 0;
    const log = await openOn(this.#disk, this.#logOptions);
    this.#log_ = log;
    assert.deepEqual(log.recovery.damage, [], "nothing counts as damaged");
    assert.equal(log.recovery.stateLost, false, "raft.state is whole");
    const candidates: Candidate[] = [{ state: this.#state, floor: this.#acknowledged }];
    if (this.#replacement !== undefined) candidates.push({ state: this.#replacement, floor: 0 });
    this.#become(recognise(log, this.#sum, candidates));
    this.#checkHardState(log);
    this.#checkLowest(log, before);
    await checkWhole(log, this.#state, this.#sum);
    assert.ok(log.commitIndex <= Math.max(this.#commit, log.lastIndex), "the commit index");
    this.#commitLogStarts(log);
  }

  #checkHardState(log: Log): void {
    if (this.#hardStates.length === 0) this.#hardStates = [log.hardState];
    const matches = this.#hardStates.some((hard) => {
      try {
        assert.deepEqual(log.hardState, hard);
        return true;
      } catch {
        return false;
      }
    });
    assert.ok(matches, "term and vote are what was saved");
    this.#hardStates = [log.hardState];
  }

  #checkLowest(log: Log, before: number): void {
    const { beginning } = this.#state;
    const lowest = Math.max(logStartOf(this.#state).offset, beginning.nextOffset);
    if (this.#options.fsync) assert.equal(log.lowestOffset, lowest, "lowest offset");
    // Segments may have gone for a decision that a power cut took back.
    else assert.ok(log.lowestOffset >= lowest && log.lowestOffset <= Math.max(before, lowest));
  }

  /** As the only voter does: what was kept is committed, at least up to the last log start. */
  #commitLogStarts(log: Log): void {
    const last = this.#state.entries.findLast(({ type }) => type === ENTRY_TYPE.logStart);
    this.#commit = Math.min(Math.max(this.#commit, last?.index ?? 0), log.lastIndex);
    log.setCommitIndex(this.#commit);
  }

  // --- one step ----------------------------------------------------------------------------------

  /** Runs a step, in which the process may die at any call of the disk. */
  async #step(): Promise<void> {
    const [, name, run] = this.#pickStep();
    this.steps.push(name);
    const disk = this.#disk;
    const stopAt = chance(this.#random, 0.12)
      ? disk.callCount + below(this.#random, 14)
      : Number.POSITIVE_INFINITY;
    disk.stopAfter(stopAt);
    const isDead = (): boolean => disk === this.#disk && disk.callCount > stopAt;
    try {
      await Promise.race([run(this), disk.stopped]);
    } catch (error) {
      if (!isDead()) await this.#takeFailure(error);
    }
    if (isDead()) {
      this.#note(`stopped at call ${stopAt}`);
      await this.crash();
    }
    this.#disk.stopAfter(Infinity);
  }

  async #afterStep(): Promise<void> {
    await turn();
    if (this.#log.failure !== undefined) await this.#takeFailure(this.#log.failure);
    if (!chance(this.#random, 0.1)) return;
    this.#clearFault();
    await turn();
    if (this.#log.failure !== undefined) await this.#takeFailure(this.#log.failure);
    await checkWhole(this.#log, this.#state, this.#sum);
  }

  #pickStep(): Step {
    let at = below(this.#random, WEIGHTS);
    for (const step of STEPS) {
      at -= step[0];
      if (at < 0) return step;
    }
    return assert.fail("the weights add up");
  }

  // --- faults ------------------------------------------------------------------------------------

  #plantFault(): void {
    this.#clearFault();
    const kind = this.#pick(["write", "write", "sync", "truncate", "open", "rename"] as const);
    const error = this.#pick(["EIO", "ENOSPC", "ENOSPC"] as const);
    const nth = 1 + below(this.#random, 4);
    const keep = below(this.#random, 700);
    this.steps.push(`(call ${nth} of ${kind} will fail with ${error}, ${keep} bytes kept)`);
    this.#fault = this.#disk.inject({ kind, nth }, { error, keep });
  }

  #clearFault(): void {
    this.#fault?.remove();
    this.#fault = undefined;
  }

  /** What a fault may lead to: a full disk that was survived, or a dead log and a new process. */
  async #takeFailure(error: unknown): Promise<void> {
    const isOurs = this.#fault !== undefined && this.#fault.hits > 0;
    if (!isOurs || error instanceof assert.AssertionError) throw error;
    assert.ok(error instanceof ProglogError || isErrno(error), "an error that says what it is");
    this.#note(error instanceof ProglogError ? error.code : error.message);
    this.#clearFault();
    if (error instanceof ProglogError && error.code === "RESOURCE_EXHAUSTED") return;
    this.happened.died++;
    this.#disk = this.#disk.clone();
    if (chance(this.#random, 0.3)) this.#disk.medium.dropCaches();
    else if (chance(this.#random, 0.5)) this.#lose(this.#crashOptions());
    await this.#open();
  }

  // --- deeds -------------------------------------------------------------------------------------

  async #startAt(start: LogStart): Promise<void> {
    const log = this.#log;
    this.#take(ENTRY_TYPE.logStart, encodeLogStart(start), 0);
    const { index } = endOf(this.#state);
    await this.#sync(log);
    this.#commit = index - 1;
    log.setCommitIndex(this.#commit);
    const before = log.segmentCount;
    while ((await log.startAt(start)) > 0) if (chance(this.#random, 0.3)) break;
    this.happened.trims += before - log.segmentCount;
  }

  #takeBatch(): void {
    const encoder = new TextEncoder();
    const values = Array.from({ length: 1 + below(this.#random, 3) }, () => {
      const length = this.#pick([0, 5, 60, 400]);
      return {
        value: encoder.encode(`${this.#serial++} ${"v".repeat(below(this.#random, length + 1))}`),
      };
    });
    const payload = encodeBatch(values, { nowMs: this.#clock.now() });
    stampBatch(payload, this.#log.nextOffset, this.#log.hardState.term);
    this.#take(ENTRY_TYPE.records, payload, values.length);
    this.happened.records += values.length;
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

  #take(type: EntryType, payload: Uint8Array, recordCount: number): void {
    const log = this.#log;
    if (chance(this.#random, 0.3)) this.#clock.advance(below(this.#random, 10));
    const entry = {
      index: log.lastIndex + 1,
      term: log.hardState.term,
      type,
      baseOffset: log.nextOffset,
      appendedAt: Math.max(this.#clock.now(), log.lastAppendedAt),
      recordCount,
      payload,
    };
    log.append(entry);
    this.#state = { ...this.#state, entries: [...this.#state.entries, entry] };
  }

  /** Waits for the log's word that everything taken is durable, and takes its word. */
  async #sync(log: Log): Promise<void> {
    const { index } = endOf(this.#state);
    const segments = log.segmentCount;
    try {
      await log.sync();
    } catch (error) {
      if (error instanceof ProglogError && error.notAppended) this.#tookBack(log, index);
      throw error;
    }
    this.happened.rolls += Math.max(0, log.segmentCount - segments);
    this.#acknowledged = Math.max(this.#acknowledged, index - this.#state.beginning.firstIndex);
    if (this.#options.fsync) this.#durable = this.#acknowledged;
  }

  #tookBack(log: Log, index: number): void {
    assert.ok(log.lastIndex < index - 1, "what was refused is not in the log");
    const kept = log.lastIndex - this.#state.beginning.firstIndex + 1;
    assert.ok(kept >= this.#acknowledged, "what was acknowledged is kept");
    this.#state = firstOf(this.#state, kept);
    this.#acknowledged = kept;
    if (this.#options.fsync) this.#durable = kept;
    this.happened.diskFull++;
  }

  #become(state: State): void {
    this.#state = state;
    this.#replacement = undefined;
    this.#acknowledged = this.#durable = state.entries.length;
  }

  /** Without what is still being written. */
  get #known(): State {
    return firstOf(this.#state, this.#acknowledged);
  }

  get #isAlive(): boolean {
    return this.#log.failure === undefined;
  }

  get #log(): Log {
    assert.ok(this.#log_ !== undefined, "the log is open");
    return this.#log_;
  }

  #pick<T>(from: readonly T[]): T {
    return from[below(this.#random, from.length)] as T;
  }

  #note(what: string): void {
    const last = this.steps.length - 1;
    this.steps[last] = `${this.steps[last] ?? ""}; ${what}`;
  }
}

/** Lets everything happen that waits for nothing but its turn. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function isErrno(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).code === "string";
}
