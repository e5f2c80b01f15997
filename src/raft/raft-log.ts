import { assert } from "../base/index.ts";
import type { Entry } from "./entry.ts";
import type { Snapshot, Storage } from "./storage.ts";
import { Unstable } from "./unstable.ts";

/** A place in the log, with what stands there. */
export interface EntryId {
  readonly index: number;
  readonly term: number;
}

export function bytesOf(entries: readonly Entry[]): number {
  let bytes = 0;
  for (const entry of entries) bytes += entry.sizeBytes;
  return bytes;
}

/** The first of `entries` that fit together; at least one. */
export function limitBytes(entries: readonly Entry[], bytesMax: number): readonly Entry[] {
  let bytes = 0;
  for (const [at, entry] of entries.entries()) {
    bytes += entry.sizeBytes;
    if (bytes > bytesMax && at > 0) return entries.slice(0, at);
  }
  return entries;
}

/**
 * The log as Raft sees it: storage, and above it what storage has not acknowledged.
 *
 * Invariants: `applied <= applying <= committed <= lastIndex`; none of them ever goes back; nothing
 * at or below `committed` is ever replaced.
 */
export class RaftLog {
  committed: number;
  applied: number;
  readonly unstable: Unstable;
  readonly #storage: Storage;
  readonly #applyingBytesMax: number;
  /** Handed out to be applied, acknowledged or not. */
  #applying: number;
  #applyingBytes = 0;
  #applyingPaused = false;
  /** Storage has to fetch the next committed entries first. */
  #awaitsStorage = false;

  constructor(storage: Storage, applyingBytesMax: number) {
    this.#storage = storage;
    this.#applyingBytesMax = Math.max(1, applyingBytesMax);
    const before = storage.firstIndex() - 1;
    this.committed = before;
    this.applied = before;
    this.#applying = before;
    this.unstable = new Unstable(storage.lastIndex() + 1);
  }

  get firstIndex(): number {
    const snapshot = this.unstable.snapshot;
    return snapshot === undefined ? this.#storage.firstIndex() : snapshot.index + 1;
  }

  get lastIndex(): number {
    return this.unstable.lastIndex ?? this.#storage.lastIndex();
  }

  /** The term at `index`; undefined for what is gone, or not there yet. The term at 0 is 0. */
  term(index: number): number | undefined {
    const unstable = this.unstable.term(index);
    if (unstable !== undefined) return unstable;
    if (index + 1 < this.firstIndex || index > this.lastIndex) return undefined;
    return this.#storage.term(index);
  }

  last(): EntryId {
    const index = this.lastIndex;
    const term = this.term(index);
    assert(term !== undefined, "the last entry has a term");
    return { index, term };
  }

  matches(index: number, term: number): boolean {
    return this.term(index) === term;
  }

  /** Paper 5.4.1: the later term in the last entry wins, then the longer log. */
  isUpToDate(theirs: EntryId): boolean {
    const ours = this.last();
    return theirs.term > ours.term || (theirs.term === ours.term && theirs.index >= ours.index);
  }

  /** The first of `entries` that is not here already; undefined when all are. */
  findConflict(entries: readonly Entry[]): Entry | undefined {
    return entries.find((entry) => !this.matches(entry.index, entry.term));
  }

  /** The highest place at or below `index` whose term is at most `term`: where two logs may still agree. */
  findConflictByTerm(index: number, term: number): EntryId {
    for (let at = index; at > 0; at--) {
      const ours = this.term(at);
      if (ours === undefined) return { index: at, term: 0 };
      if (ours <= term) return { index: at, term: ours };
    }
    return { index: 0, term: 0 };
  }

  append(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    assert(first.index > this.committed, "a committed entry is never replaced");
    this.unstable.truncateAndAppend(entries);
  }

  commitTo(index: number): void {
    if (index <= this.committed) return;
    assert(index <= this.lastIndex, "what is committed is in the log");
    this.committed = index;
  }

  restore(snapshot: Snapshot): void {
    this.committed = snapshot.index;
    this.unstable.restore(snapshot);
  }

  /** From `low` to the end of the log, as many as fit. */
  entriesFrom(low: number, bytesMax: number): readonly Entry[] | "compacted" | "unavailable" {
    const end = this.lastIndex + 1;
    return low >= end ? [] : this.slice(low, end, bytesMax);
  }

  slice(
    low: number,
    high: number,
    bytesMax: number,
  ): readonly Entry[] | "compacted" | "unavailable" {
    assert(low < high && high <= this.lastIndex + 1, "a slice lies within the log");
    if (low < this.firstIndex) return "compacted";
    const { offset } = this.unstable;
    if (low >= offset) return limitBytes(this.unstable.slice(low, high), bytesMax);

    const cut = Math.min(high, offset);
    const stored = this.#storage.entries(low, cut, bytesMax);
    if (typeof stored === "string" || high <= offset) return stored;
    const storedBytes = bytesOf(stored);
    if (stored.length < cut - low || storedBytes >= bytesMax) return stored;
    return limitBytes([...stored, ...this.unstable.slice(offset, high)], bytesMax);
  }

  snapshot(): Snapshot | undefined {
    return this.unstable.snapshot ?? this.#storage.snapshot();
  }

  /** Committed entries to hand out next. With asynchronous storage only what storage has. */
  nextCommitted(unstableToo: boolean): readonly Entry[] {
    if (!this.hasNextCommitted(unstableToo)) return [];
    const bytesMax = this.#applyingBytesMax - this.#applyingBytes;
    const high = this.#appliableIndex(unstableToo) + 1;
    const entries = this.slice(this.#applying + 1, high, bytesMax);
    assert(entries !== "compacted", "what is not applied is not compacted");
    if (entries !== "unavailable") return entries;
    this.#awaitsStorage = true;
    return [];
  }

  hasNextCommitted(unstableToo: boolean): boolean {
    if (this.#applyingPaused || this.#awaitsStorage || this.unstable.snapshot !== undefined) {
      return false;
    }
    return this.#applying < this.#appliableIndex(unstableToo);
  }

  storageAnswers(): void {
    this.#awaitsStorage = false;
  }

  #appliableIndex(unstableToo: boolean): number {
    return unstableToo ? this.committed : Math.min(this.committed, this.unstable.offset - 1);
  }

  /** `entries` were handed out; more only after some of them are applied, when they fill the limit. */
  acceptApplying(entries: readonly Entry[], unstableToo: boolean): void {
    const last = entries.at(-1);
    if (last === undefined) return;
    this.#applying = last.index;
    this.#applyingBytes += bytesOf(entries);
    this.#applyingPaused =
      this.#applyingBytes >= this.#applyingBytesMax ||
      last.index < this.#appliableIndex(unstableToo);
  }

  appliedTo(index: number, bytes: number): void {
    assert(this.applied <= index && index <= this.committed, "applied in order, after commit");
    this.applied = index;
    this.#applying = Math.max(this.#applying, index);
    this.#applyingBytes = Math.max(0, this.#applyingBytes - bytes);
    this.#applyingPaused = this.#applyingBytes >= this.#applyingBytesMax;
  }
}
