import { ProglogError, soleVoter } from "../../base/index.ts";
import { decodeLogStart, ENTRY_TYPE } from "../../log/index.ts";
import type {
  Entry,
  HardState,
  LogStart,
  ReadEntriesOptions,
  SideState,
  TermRun,
} from "../../log/index.ts";
import type { ReplicaLog } from "../replica-log.ts";

interface PendingSync {
  readonly length: number;
  readonly resolve: () => void;
  readonly reject: (error: ProglogError) => void;
}

/** A log in memory whose syncs end when the test says so. */
export class FakeLog implements ReplicaLog {
  readonly entries: Entry[] = [];
  readonly state: SideState;
  readonly savedHardStates: Pick<HardState, "term" | "vote">[] = [];
  /** Syncs end by themselves. */
  automatic = true;
  refusal: ProglogError | undefined;
  committedIndex = 0;
  syncCount = 0;
  startedAt: LogStart[] = [];
  planned: LogStart | undefined;
  /** What `startAt` says is left to remove, once. */
  segmentsLeft = 0;

  #durable = 0;
  #hardState: HardState = {
    term: 1,
    vote: 7,
    configuration: soleVoter({ replicaId: 7, name: "one" }),
    configurationIndex: 0,
    installing: 0,
    damaged: false,
  };
  #logStart: LogStart = { index: 1, offset: 0, retentionBytes: 0, retentionMs: 0 };
  #pending: PendingSync[] = [];
  #failure: ProglogError | undefined;
  #changed: (() => void)[] = [];

  constructor(state: SideState) {
    this.state = state;
  }

  commitIndex = 0;
  readonly firstIndex = 1;
  readonly damage: ReplicaLog["damage"] = [];
  readonly tailDamage: ReplicaLog["damage"] = [];
  readonly space: ReplicaLog["space"] = { freeBytes: Infinity, reserveBytes: 0 };

  get lastIndex(): number {
    return this.entries.length;
  }
  get lastTerm(): number {
    return this.entries.at(-1)?.term ?? 0;
  }
  get lastAppendedAt(): number {
    return this.entries.at(-1)?.appendedAt ?? 0;
  }
  get nextOffset(): number {
    return nextOffset(this.entries.at(-1));
  }
  get lowestOffset(): number {
    return this.startedAt.at(-1)?.offset ?? 0;
  }
  get syncedIndex(): number {
    return this.#durable;
  }
  get syncedOffset(): number {
    return nextOffset(this.entries[this.#durable - 1]);
  }
  get hardState(): HardState {
    return this.#hardState;
  }
  get control(): ReplicaLog["control"] {
    const { configuration, configurationIndex } = this.#hardState;
    return { configuration, configurationIndex, featureLevel: 0, logStart: this.#logStart };
  }

  append(entry: Entry): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (entry.index !== this.lastIndex + 1) throw new Error(`index ${entry.index} is not the next`);
    if (entry.baseOffset !== this.nextOffset) throw new Error("offsets are dense");
    if (entry.appendedAt < this.lastAppendedAt) throw new Error("time never goes back");
    if (entry.term < this.lastTerm) throw new Error("terms never go back");
    this.entries.push(entry);
    this.state.apply(entry);
    if (entry.type === ENTRY_TYPE.logStart) this.#logStart = decodeLogStart(entry.payload);
  }

  sync(): Promise<void> {
    this.syncCount += 1;
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#durable === this.entries.length) return Promise.resolve();
    if (this.automatic) {
      this.#durable = this.entries.length;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      this.#pending.push({ length: this.entries.length, resolve, reject });
      for (const tell of this.#changed) tell();
      this.#changed = [];
    });
  }

  /** Resolves when a sync waits to be ended. */
  async syncBegun(): Promise<void> {
    while (this.#pending.length === 0) {
      await new Promise<void>((resolve) => this.#changed.push(resolve));
    }
  }

  endSync(): void {
    for (const { length, resolve } of this.#pending.splice(0)) {
      this.#durable = length;
      resolve();
    }
  }

  /** The disk was full: what is not durable is gone, but for the first `kept` entries of it. */
  takeBack(kept = 0): void {
    this.#durable += kept;
    this.entries.length = this.#durable;
    this.state.restore(new Uint8Array(0));
    for (const entry of this.entries) this.state.apply(entry);
    const error = new ProglogError("RESOURCE_EXHAUSTED", "the disk is full", { notAppended: true });
    for (const { reject } of this.#pending.splice(0)) reject(error);
  }

  /** A write failed: nothing more can be appended. */
  die(): void {
    this.#failure = new ProglogError("STORAGE_FAILED", "the disk does not answer");
    for (const { reject } of this.#pending.splice(0)) reject(this.#failure);
  }

  setCommitIndex(index: number): void {
    this.committedIndex = index;
  }

  admission(): ProglogError | undefined {
    return this.refusal;
  }

  async saveHardState(next: Omit<HardState, "installing">): Promise<void> {
    await Promise.resolve();
    this.savedHardStates.push({ term: next.term, vote: next.vote });
    this.#hardState = { ...next, installing: 0 };
  }

  termRuns(): Promise<TermRun[]> {
    const runs: TermRun[] = [{ fromIndex: 0, term: 0 }];
    for (const { index, term } of this.entries) {
      if (runs.at(-1)?.term !== term) runs.push({ fromIndex: index, term });
    }
    return Promise.resolve(runs);
  }

  readEntries(fromIndex: number, { toIndex }: ReadEntriesOptions): Promise<Entry[]> {
    return Promise.resolve(this.entries.slice(fromIndex - 1, toIndex));
  }

  lastConfiguration(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  prefixMarker(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  mend(): Promise<boolean> {
    return Promise.resolve(false);
  }

  reset(): Promise<void> {
    return Promise.reject(new Error("no marker comes to an only voter"));
  }

  truncateBack(): Promise<void> {
    return Promise.reject(new Error("an only voter cuts nothing"));
  }

  readBatches(
    offset: number,
    options: { maxBytes: number; limitOffset: number },
  ): Promise<Uint8Array[]> {
    return Promise.resolve(this.readCached(offset, options));
  }

  readCached(offset: number, options: { maxBytes: number; limitOffset: number }): Uint8Array[] {
    return this.entries
      .filter(({ recordCount, baseOffset }) => recordCount > 0 && baseOffset + recordCount > offset)
      .filter(({ baseOffset }) => baseOffset < options.limitOffset)
      .map(({ payload }) => payload);
  }

  offsetAtTime(timestampMs: number): Promise<number | undefined> {
    const found = this.entries.find((e) => e.recordCount > 0 && e.appendedAt >= timestampMs);
    return Promise.resolve(found?.baseOffset);
  }

  planRetention(): LogStart | undefined {
    return this.planned;
  }

  logStartAt(offset: number): LogStart {
    return { ...this.#logStart, offset };
  }

  startAsOf(): Promise<void> {
    return Promise.resolve();
  }

  async startAt(start: LogStart): Promise<number> {
    this.startedAt.push(start);
    await Promise.resolve();
    const left = this.segmentsLeft;
    this.segmentsLeft = 0;
    return left;
  }
}

function nextOffset(entry: Entry | undefined): number {
  return entry === undefined ? 0 : entry.baseOffset + entry.recordCount;
}
