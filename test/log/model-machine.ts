import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { below, chance, ProglogError, seededRandom } from "../../src/base/index.ts";
import type { Random } from "../../src/base/index.ts";
import { ENTRY_TYPE } from "../../src/log/index.ts";
import type { EntryType, HardState, Log, LogOptions } from "../../src/log/index.ts";
import { FaultDisk } from "../../sim/disk/index.ts";
import type { CrashOptions, DiskCallKind, Injection } from "../../sim/disk/index.ts";
import { ManualClock } from "./manual-clock.ts";
import type { Candidate, State } from "./model.ts";
import { checkWhole, emptyState, endOf, firstOf, logStartOf, recognise, Sum } from "./model.ts";
import { openOn, prepare } from "./workload.ts";

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
 * A log on a disk that fails, on a machine that may stop at any call, and beside it what the log must
 * hold. Each deed changes both; each start compares them.
 */
export class Machine {
  readonly happened: Happened = { ...nothingHappened };
  readonly random: Random;
  readonly clock = new ManualClock();
  /** False: the log answers before the disk does. */
  readonly fsync: boolean;
  /** Everything taken and not taken back. */
  state: State = emptyState;
  /** How many of its entries were acknowledged, and how many a power cut cannot take. */
  acknowledged = 0;
  durable = 0;
  /** While the log is being replaced: what by. */
  replacement: State | undefined;
  /** What may have been saved; the last is the newest. */
  hardStates: readonly HardState[] = [];
  commitIndex = 0;
  readonly #sum = new Sum();
  readonly #logOptions: Partial<LogOptions>;
  readonly #note: (what: string) => void;
  #disk: FaultDisk;
  #log: Log | undefined;
  #fault: Injection | undefined;
  /** Only a disk that is full, and says so before a sync, may be survived. */
  #maySurvive = false;

  constructor(seed: number, fsync: boolean, note: (what: string) => void) {
    this.fsync = fsync;
    this.#note = note;
    this.random = seededRandom(seed);
    this.#disk = new FaultDisk({ random: seededRandom(seed + 1) });
    this.#logOptions = {
      clock: this.clock,
      random: seededRandom(seed + 2),
      state: this.#sum,
      fsync,
      segmentBytesMax: this.pick([300, 900, 2500, 100_000]),
      tailCacheBytesMax: this.pick([0, 500, 100_000]),
    };
  }

  async begin(): Promise<void> {
    await prepare(this.#disk);
    await this.open();
  }

  get log(): Log {
    assert.ok(this.#log !== undefined, "the log is open");
    return this.#log;
  }

  get disk(): FaultDisk {
    return this.#disk;
  }

  /** What readers may rely on: without what is still being written. */
  get known(): State {
    return firstOf(this.state, this.acknowledged);
  }

  pick<T>(from: readonly T[]): T {
    return from[below(this.random, from.length)] as T;
  }

  check(): Promise<void> {
    return checkWhole(this.log, this.state, this.#sum);
  }

  // --- deeds -------------------------------------------------------------------------------------

  /** Gives the log its next entry. */
  take(type: EntryType, payload: Uint8Array, recordCount: number): void {
    const { log } = this;
    if (chance(this.random, 0.3)) this.clock.advance(below(this.random, 10));
    const entry = {
      index: log.lastIndex + 1,
      term: log.hardState.term,
      type,
      baseOffset: log.nextOffset,
      appendedAt: Math.max(this.clock.now(), log.lastAppendedAt),
      recordCount,
      payload,
    };
    log.append(entry);
    this.state = { ...this.state, entries: [...this.state.entries, entry] };
    this.happened.records += recordCount;
  }

  /** Waits for the log's word that everything taken is durable, and takes its word. */
  async sync(): Promise<void> {
    const { log } = this;
    const { index } = endOf(this.state);
    const segments = log.segmentCount;
    try {
      await log.sync();
    } catch (error) {
      if (error instanceof ProglogError && error.notAppended) this.#tookBack(log, index);
      throw error;
    }
    this.happened.rolls += Math.max(0, log.segmentCount - segments);
    this.acknowledged = Math.max(this.acknowledged, index - this.state.beginning.firstIndex);
    if (this.fsync) this.durable = this.acknowledged;
  }

  /** The log is this now, and nothing can take it away. */
  become(state: State): void {
    this.state = state;
    this.replacement = undefined;
    this.acknowledged = this.durable = state.entries.length;
  }

  #tookBack(log: Log, index: number): void {
    assert.ok(log.lastIndex < index - 1, "what was refused is not in the log");
    const kept = log.lastIndex - this.state.beginning.firstIndex + 1;
    assert.ok(kept >= this.acknowledged, "what was acknowledged is kept");
    this.state = firstOf(this.state, kept);
    this.acknowledged = kept;
    if (this.fsync) this.durable = kept;
    this.happened.diskFull++;
  }

  // --- starts ------------------------------------------------------------------------------------

  /** Starts the log, and compares everything it has with what it must have. */
  async open(): Promise<void> {
    const lowestBefore = this.#log?.lowestOffset ?? 0;
    const log = await openOn(this.#disk, this.#logOptions);
    this.#log = log;
    assert.deepEqual(log.recovery.damage, [], "nothing counts as damaged");
    assert.equal(log.recovery.stateLost, false, "raft.state is whole");
    const candidates: Candidate[] = [{ state: this.state, floor: this.acknowledged }];
    if (this.replacement !== undefined) candidates.push({ state: this.replacement, floor: 0 });
    this.become(recognise(log, this.#sum, candidates));
    this.#checkHardState(log);
    this.#checkLowest(log, lowestBefore);
    await this.check();
    assert.ok(log.commitIndex <= Math.max(this.commitIndex, log.lastIndex), "the commit index");
    this.#commitLogStarts(log);
  }

  #checkHardState(log: Log): void {
    const { hardStates } = this;
    const isSaved = hardStates.some((hard) => isDeepStrictEqual(hard, log.hardState));
    assert.ok(hardStates.length === 0 || isSaved, "term and vote are what was saved");
    this.hardStates = [log.hardState];
  }

  #checkLowest(log: Log, before: number): void {
    const { beginning } = this.state;
    const lowest = Math.max(logStartOf(this.state).offset, beginning.nextOffset);
    if (this.fsync) assert.equal(log.lowestOffset, lowest, "lowest offset");
    // Segments may have gone for a decision that a power cut took back.
    else assert.ok(log.lowestOffset >= lowest && log.lowestOffset <= Math.max(before, lowest));
  }

  /** As the only voter does: what was kept is committed, at least up to the last log start. */
  #commitLogStarts(log: Log): void {
    const last = this.state.entries.findLast(({ type }) => type === ENTRY_TYPE.logStart);
    this.commitIndex = Math.min(Math.max(this.commitIndex, last?.index ?? 0), log.lastIndex);
    log.setCommitIndex(this.commitIndex);
  }

  // --- crashes -----------------------------------------------------------------------------------

  /** The process dies, or the power goes, and a start follows, which may be cut off as well. */
  async crash(): Promise<void> {
    this.clearFault();
    this.#lose(chance(this.random, 0.4) ? "kill" : this.#crashOptions());
    for (let i = 0; i < 2 && chance(this.random, 0.25); i++) {
      const after = below(this.random, 25);
      this.#disk.stopAfter(after);
      await Promise.race([openOn(this.#disk, this.#logOptions), this.#disk.stopped]);
      this.#note(`again after ${after} calls of the start`);
      this.#lose(chance(this.random, 0.3) ? "kill" : this.#crashOptions());
    }
    await this.open();
  }

  #lose(how: "kill" | CrashOptions): void {
    this.#note(how === "kill" ? "kill" : JSON.stringify(how));
    if (how === "kill") {
      this.happened.kills++;
      this.#disk = this.#disk.kill(this.pick(["none", "all", "random"]));
    } else {
      this.happened.powerCuts++;
      this.#disk = this.#disk.crash(how);
      this.acknowledged = Math.min(this.acknowledged, this.durable);
    }
  }

  #crashOptions(): CrashOptions {
    const keep = this.pick(["none", "all", "random", "random", "torn"] as const);
    const directories = this.pick(["none", "all", "ordered", "random"] as const);
    switch (keep) {
      case "torn": {
        const tail = this.pick(["cut", "zeros", "junk"] as const);
        const at = below(this.random, this.#disk.medium.unsyncedBytes() + 1);
        return { keep, at, tail, directories };
      }
      case "random":
        return { keep, directories, blockBytes: this.pick([512, 4096] as const) };
      case "none":
      case "all":
        return { keep, directories };
    }
  }

  // --- faults ------------------------------------------------------------------------------------

  get hasFault(): boolean {
    return this.#fault !== undefined;
  }

  /** The `nth` call of a kind will fail. */
  plantFault(kind: DiskCallKind, nth: number, error: "EIO" | "ENOSPC", keep: number): void {
    this.clearFault();
    this.#maySurvive = error === "ENOSPC" && kind !== "sync";
    this.#fault = this.#disk.inject({ kind, nth }, { error, keep });
  }

  clearFault(): void {
    this.#fault?.remove();
    this.#fault = undefined;
  }

  /** What a fault may lead to: a full disk that was survived, or a dead log and a new process. */
  async takeFailure(error: unknown): Promise<void> {
    const isOurs = this.#fault !== undefined && this.#fault.hits > 0;
    if (!isOurs || error instanceof assert.AssertionError) throw error;
    assert.ok(error instanceof ProglogError || isErrno(error), "an error that says what it is");
    this.#note(error instanceof ProglogError ? error.code : error.message);
    this.clearFault();
    if (error instanceof ProglogError && error.code === "RESOURCE_EXHAUSTED") {
      assert.ok(this.#maySurvive, "a disk that lied is not asked again");
      return;
    }
    this.happened.died++;
    this.#disk = this.#disk.clone();
    if (chance(this.random, 0.3)) this.#disk.medium.dropCaches();
    else if (chance(this.random, 0.5)) this.#lose(this.#crashOptions());
    await this.open();
  }
}

/** Lets everything happen that waits for nothing but its turn. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function isErrno(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).code === "string";
}
