import { assert, limits, ProglogError } from "../base/index.ts";
import type { Clock, Observer } from "../base/index.ts";
import type { Log, PrefixMarker, TermRun } from "../log/index.ts";
import type { Entry, InitialState, Snapshot, Storage } from "../raft/index.ts";
import { CatchUpPace } from "./catch-up-pace.ts";
import { toCore, toLog } from "./entries.ts";
import { RaftTail, within } from "./raft-tail.ts";

/** What this needs of the log. */
export type StorageLog = Pick<
  Log,
  | "commitIndex"
  | "firstIndex"
  | "hardState"
  | "lastIndex"
  | "nextOffset"
  | "prefixMarker"
  | "readEntries"
  | "termRuns"
>;

export interface RaftStorageParts {
  readonly log: StorageLog;
  readonly clock: Clock;
  readonly observer: Observer;
  /** How fast old entries are read for a follower that is behind; 0: as fast as the disk gives them. */
  readonly catchUpBytesPerSecond: number;
  /** Entries or a marker that the core asked for are in memory now. */
  readonly onAvailable: () => void;
}

interface Chunk {
  readonly low: number;
  readonly entries: readonly Entry[];
}

/**
 * The durable log as the core sees it: synchronous, and only what is durable. Terms are answered from
 * runs that cover the whole log, the newest entries from memory; older ones, and the marker, are
 * fetched from the disk while the core goes on without them.
 *
 * Invariants: nothing is seen here before a sync has vouched for it; what was fetched is kept only if
 * nothing was cut meanwhile (`#generation`); the terms of the runs never go back.
 */
export class RaftStorage implements Storage {
  readonly #log: StorageLog;
  readonly #clock: Clock;
  readonly #observer: Observer;
  readonly #onAvailable: () => void;
  readonly #pace: CatchUpPace;
  readonly #tail = new RaftTail(limits.raftTailBytesMax);
  #initial: InitialState;
  #runs: TermRun[];
  #lastIndex: number;
  #generation = 0;
  /** Read for followers that are behind; the oldest first. */
  #chunks: Chunk[] = [];
  readonly #loading = new Set<number>();
  #marker: PrefixMarker | undefined;
  #markerLoading = false;

  private constructor(
    parts: RaftStorageParts,
    initial: InitialState,
    runs: TermRun[],
    end: number,
  ) {
    this.#log = parts.log;
    this.#clock = parts.clock;
    this.#observer = parts.observer;
    this.#onAvailable = parts.onAvailable;
    this.#pace = new CatchUpPace(parts.clock, parts.catchUpBytesPerSecond);
    this.#initial = initial;
    this.#runs = runs;
    this.#lastIndex = end;
  }

  /** `end` is the last index to be seen: less than the log's when what follows is damaged. */
  static async open(
    parts: RaftStorageParts,
    initial: InitialState,
    end: number,
  ): Promise<RaftStorage> {
    const storage = new RaftStorage(parts, initial, await parts.log.termRuns(), end);
    storage.#cutRuns(end + 1);
    return storage;
  }

  /** What the next life of the core begins with, after all that was not durable was lost. */
  async restart(initial: InitialState, end: number): Promise<void> {
    this.#generation++;
    this.#initial = initial;
    this.#tail.clear();
    this.#chunks = [];
    this.#runs = await this.#log.termRuns();
    this.#lastIndex = end;
    this.#cutRuns(end + 1);
  }

  /** Entries that are durable now; an earlier one in their place, and all after it, is gone. */
  stable(entries: readonly Entry[]): void {
    const [first] = entries;
    if (first === undefined) return;
    if (first.index <= this.#lastIndex) this.cut(first.index);
    assert(first.index === this.#lastIndex + 1, "durable entries follow each other");
    for (const entry of entries) {
      const last = this.#runs[this.#runs.length - 1] as TermRun;
      if (entry.term !== last.term) this.#runs.push({ fromIndex: entry.index, term: entry.term });
      this.#tail.push(entry);
      this.#pace.grew(entry.sizeBytes);
    }
    this.#lastIndex = (entries[entries.length - 1] as Entry).index;
  }

  /** The log begins after a marker now. */
  installed(marker: PrefixMarker): void {
    this.#generation++;
    this.#tail.clear();
    this.#chunks = [];
    this.#marker = marker;
    this.#lastIndex = marker.firstIndex - 1;
    this.#runs = [{ fromIndex: marker.firstIndex - 1, term: marker.previousTerm }];
  }

  /** Forgets durable entries from an index on. */
  cut(fromIndex: number): void {
    this.#generation++;
    this.#tail.cut(fromIndex);
    this.#chunks = [];
    this.#lastIndex = fromIndex - 1;
    this.#cutRuns(fromIndex);
  }

  /** Reads nothing that it has not begun to read. */
  close(): void {
    this.#generation++;
  }

  /** One past the last offset at or below an index, if that is known without the disk. */
  nextOffsetAfter(index: number): number | undefined {
    const entry = this.#tail.get(index) ?? this.#inChunks(index);
    const shape = entry && toLog(entry);
    if (shape !== undefined) return shape.baseOffset + shape.recordCount;
    const { lastIndex, nextOffset } = this.#log;
    return index === lastIndex ? nextOffset : undefined;
  }

  #inChunks(index: number): Entry | undefined {
    for (const { low, entries } of this.#chunks) {
      if (index >= low && index < low + entries.length) return entries[index - low];
    }
    return undefined;
  }

  initialState(): InitialState {
    return this.#initial;
  }

  firstIndex(): number {
    return this.#log.firstIndex;
  }

  lastIndex(): number {
    return this.#lastIndex;
  }

  term(index: number): number | undefined {
    if (index > this.#lastIndex || index < this.#log.firstIndex - 1) return undefined;
    const runs = this.#runs;
    const last = runs[runs.length - 1] as TermRun;
    if (index >= last.fromIndex) return last.term;
    let low = 0;
    let high = runs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((runs[middle] as TermRun).fromIndex <= index) low = middle + 1;
      else high = middle;
    }
    return runs[low - 1]?.term;
  }

  entries(
    low: number,
    high: number,
    bytesMax: number,
  ): readonly Entry[] | "compacted" | "unavailable" {
    if (low < this.#log.firstIndex) return "compacted";
    const inTail = this.#tail.slice(low, high, bytesMax);
    if (inTail !== undefined) return inTail;
    for (const { low: from, entries } of this.#chunks) {
      const at = low - from;
      if (at < 0 || at >= entries.length) continue;
      return entries.slice(at, within(entries, at, at + high - low, bytesMax));
    }
    void this.#load(low);
    return "unavailable";
  }

  snapshot(): Snapshot | undefined {
    const marker = this.#marker;
    if (marker?.firstIndex !== this.#log.firstIndex) {
      void this.#loadMarker();
      return undefined;
    }
    return {
      index: marker.firstIndex - 1,
      term: marker.previousTerm,
      configuration: marker.configuration,
      data: marker,
    };
  }

  async #load(low: number): Promise<void> {
    if (this.#loading.has(low)) return;
    this.#loading.add(low);
    const generation = this.#generation;
    try {
      await this.#pause(low);
      if (generation === this.#generation) await this.#read(low);
    } catch (error) {
      this.#retryLater(error);
      return;
    } finally {
      this.#loading.delete(low);
    }
    this.#onAvailable();
  }

  async #read(low: number): Promise<void> {
    const generation = this.#generation;
    const options = { maxBytes: limits.raftMessageBytesMax, toIndex: this.#lastIndex };
    const entries = (await this.#log.readEntries(low, options)).map(toCore);
    if (generation !== this.#generation || entries[0]?.index !== low) return;
    this.#chunks.push({ low, entries });
    if (this.#chunks.length > limits.raftChunksMax) this.#chunks.shift();
    this.#pace.read(entries.reduce((bytes, { sizeBytes }) => bytes + sizeBytes, 0));
  }

  /** Asked anew now and then, because meanwhile somebody may have begun to wait for this follower. */
  async #pause(low: number): Promise<void> {
    const generation = this.#generation;
    while (generation === this.#generation) {
      const { commitIndex } = this.#log;
      const ms = this.#pace.pauseMs(low, { commitIndex, lastIndex: this.#lastIndex });
      if (ms === 0) return;
      const sliceMs = Math.min(ms, limits.catchUpStuckMs);
      await new Promise<void>((resolve) => void this.#clock.after(sliceMs, resolve));
    }
  }

  async #loadMarker(): Promise<void> {
    if (this.#markerLoading) return;
    this.#markerLoading = true;
    const generation = this.#generation;
    try {
      const marker = await this.#log.prefixMarker();
      if (generation === this.#generation && marker !== undefined) this.#marker = marker;
    } catch (error) {
      this.#retryLater(error);
      return;
    } finally {
      this.#markerLoading = false;
    }
    this.#onAvailable();
  }

  /** What the disk did not give is asked for again; it may have been mended by then. */
  #retryLater(error: unknown): void {
    if (!(error instanceof ProglogError)) throw error;
    this.#observer.log("warn", "replica.read-for-follower-failed", { code: error.code });
    this.#clock.after(limits.raftReadRetryMs, () => this.#onAvailable());
  }

  #cutRuns(fromIndex: number): void {
    while (
      this.#runs.length > 1 &&
      (this.#runs[this.#runs.length - 1] as TermRun).fromIndex >= fromIndex
    ) {
      this.#runs.pop();
    }
  }
}
