import { assert } from "../base/index.ts";
import type { Entry } from "./entry.ts";
import type { Snapshot } from "./storage.ts";

/**
 * The end of the log that storage has not acknowledged: perhaps a snapshot, then entries from
 * `offset` on. Whatever storage holds at or above `offset` is about to be overwritten.
 *
 * Invariant: `offset <= offsetInProgress <= offset + entries.length`; entries below
 * `offsetInProgress` were handed out by a `Ready`.
 */
export class Unstable {
  offset: number;
  snapshot: Snapshot | undefined;
  #entries: readonly Entry[] = [];
  #offsetInProgress: number;
  #snapshotInProgress = false;

  constructor(offset: number) {
    this.offset = offset;
    this.#offsetInProgress = offset;
  }

  get count(): number {
    return this.#entries.length;
  }

  /** Undefined when everything is in storage. */
  get lastIndex(): number | undefined {
    if (this.#entries.length > 0) return this.offset + this.#entries.length - 1;
    return this.snapshot?.index;
  }

  term(index: number): number | undefined {
    if (index < this.offset) {
      return this.snapshot?.index === index ? this.snapshot.term : undefined;
    }
    return this.#entries[index - this.offset]?.term;
  }

  slice(low: number, high: number): readonly Entry[] {
    const end = this.offset + this.#entries.length;
    assert(
      this.offset <= low && low <= high && high <= end,
      "a slice lies within the unstable log",
    );
    return this.#entries.slice(low - this.offset, high - this.offset);
  }

  nextEntries(): readonly Entry[] {
    return this.#entries.slice(this.#offsetInProgress - this.offset);
  }

  nextSnapshot(): Snapshot | undefined {
    return this.#snapshotInProgress ? undefined : this.snapshot;
  }

  get hasNext(): boolean {
    return (
      this.#entries.length > this.#offsetInProgress - this.offset ||
      this.nextSnapshot() !== undefined
    );
  }

  /** What `nextEntries` and `nextSnapshot` told is on its way to storage. */
  accept(): void {
    this.#offsetInProgress = this.offset + this.#entries.length;
    this.#snapshotInProgress = this.snapshot !== undefined;
  }

  /**
   * Storage has everything up to the entry (index, term). If that entry has been replaced meanwhile,
   * this says nothing about its successor.
   */
  stableTo(index: number, term: number): void {
    if (index < this.offset || this.term(index) !== term) return;
    this.#entries = this.#entries.slice(index + 1 - this.offset);
    this.offset = index + 1;
    this.#offsetInProgress = Math.max(this.#offsetInProgress, this.offset);
  }

  stableSnapshotTo(index: number): void {
    if (this.snapshot?.index !== index) return;
    this.snapshot = undefined;
    this.#snapshotInProgress = false;
  }

  restore(snapshot: Snapshot): void {
    this.offset = snapshot.index + 1;
    this.#offsetInProgress = this.offset;
    this.#entries = [];
    this.snapshot = snapshot;
    this.#snapshotInProgress = false;
  }

  /** Entries at and above the first of `entries` give way to them. */
  truncateAndAppend(entries: readonly Entry[]): void {
    const first = entries[0]?.index ?? this.offset;
    const end = this.offset + this.#entries.length;
    assert(first <= end, "entries follow the log without a gap");
    if (first <= this.offset) {
      this.offset = first;
      this.#offsetInProgress = first;
      this.#entries = [...entries];
    } else {
      this.#offsetInProgress = Math.min(this.#offsetInProgress, first);
      this.#entries = this.#entries.slice(0, first - this.offset).concat(entries);
    }
  }
}
