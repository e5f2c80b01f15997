import { assert, type Configuration } from "../../base/index.ts";
import type { Entry, HardState, InitialState, Snapshot, Storage } from "../index.ts";
import { limitBytes } from "../raft-log.ts";

export const NOBODY: Configuration = {
  voters: [],
  votersOutgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
};

/** The log of a replica in memory; for tests. What is written here is durable. */
export class MemoryStorage implements Storage {
  hardState: HardState = { term: 0, vote: 0, commit: 0 };
  configuration: Configuration = NOBODY;
  configurationIndex = 0;
  /** The entry before the first one: a snapshot's, or the last one that was compacted. */
  #before: { index: number; term: number } = { index: 0, term: 0 };
  #entries: Entry[] = [];
  #snapshot: Snapshot | undefined;

  initialState(): InitialState {
    const { hardState, configuration, configurationIndex } = this;
    return { hardState, configuration, configurationIndex };
  }

  firstIndex(): number {
    return this.#before.index + 1;
  }

  lastIndex(): number {
    return this.#before.index + this.#entries.length;
  }

  term(index: number): number | undefined {
    if (index === this.#before.index) return this.#before.term;
    return this.#entries[index - this.firstIndex()]?.term;
  }

  entries(
    low: number,
    high: number,
    bytesMax: number,
  ): readonly Entry[] | "compacted" | "unavailable" {
    if (low < this.firstIndex()) return "compacted";
    assert(high <= this.lastIndex() + 1, "entries that are there");
    const first = this.firstIndex();
    return limitBytes(this.#entries.slice(low - first, high - first), bytesMax);
  }

  snapshot(): Snapshot | undefined {
    return this.#snapshot;
  }

  setSnapshot(snapshot: Snapshot): void {
    this.#snapshot = snapshot;
  }

  append(entries: readonly Entry[]): void {
    const news = entries.filter(({ index }) => index >= this.firstIndex());
    const first = news[0];
    if (first === undefined) return;
    assert(first.index <= this.lastIndex() + 1, "entries without a gap");
    this.#entries = [...this.#entries.slice(0, first.index - this.firstIndex()), ...news];
  }

  /** False when it is older than what is here. */
  install(snapshot: Snapshot): boolean {
    if (this.#snapshot !== undefined && snapshot.index <= this.#snapshot.index) return false;
    this.#snapshot = snapshot;
    this.#before = { index: snapshot.index, term: snapshot.term };
    this.#entries = [];
    this.configuration = snapshot.configuration;
    this.configurationIndex = snapshot.index;
    return true;
  }

  /** Forgets everything up to `index`; false when that is gone already. */
  compact(index: number): boolean {
    if (index <= this.#before.index) return false;
    const term = this.term(index);
    assert(term !== undefined, "what is compacted is there");
    this.#entries = this.#entries.slice(index - this.#before.index);
    this.#before = { index, term };
    return true;
  }

  /** The same log in the hands of another life. */
  clone(): MemoryStorage {
    const copy = new MemoryStorage();
    copy.hardState = this.hardState;
    copy.configuration = this.configuration;
    copy.configurationIndex = this.configurationIndex;
    copy.#before = this.#before;
    copy.#entries = [...this.#entries];
    copy.#snapshot = this.#snapshot;
    return copy;
  }

  /** Loses entries from `index` on, as a bad disk does. */
  lose(index: number): void {
    this.#entries = this.#entries.slice(0, Math.max(0, index - this.firstIndex()));
  }
}
