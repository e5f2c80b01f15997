import type { Entry } from "../raft/index.ts";

/**
 * The newest durable entries, in memory and next to each other, so that followers which keep up, and
 * whoever applies, never ask the disk. Bounded by bytes; the oldest go first.
 */
export class RaftTail {
  readonly #bytesMax: number;
  #entries: Entry[] = [];
  #front = 0;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Of the first entry held; undefined when there is none. */
  get firstIndex(): number | undefined {
    return this.#entries[this.#front]?.index;
  }

  push(entry: Entry): void {
    this.#entries.push(entry);
    this.#bytes += entry.sizeBytes;
    while (this.#bytes > this.#bytesMax && this.#front < this.#entries.length - 1) {
      this.#bytes -= (this.#entries[this.#front] as Entry).sizeBytes;
      this.#front++;
    }
    if (this.#front > 1024 && this.#front * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#front);
      this.#front = 0;
    }
  }

  get(index: number): Entry | undefined {
    const first = this.firstIndex;
    return first === undefined || index < first
      ? undefined
      : this.#entries[this.#front + index - first];
  }

  /** `[low, high)` as far as `bytesMax` reaches, at least one; undefined when `low` is not here. */
  slice(low: number, high: number, bytesMax: number): readonly Entry[] | undefined {
    const first = this.firstIndex;
    if (first === undefined || low < first) return undefined;
    const from = this.#front + low - first;
    if (from >= this.#entries.length) return undefined;
    return this.#entries.slice(from, within(this.#entries, from, from + high - low, bytesMax));
  }

  /** Forgets what lies at an index and after it. */
  cut(fromIndex: number): void {
    while (this.#entries.length > this.#front) {
      const last = this.#entries[this.#entries.length - 1] as Entry;
      if (last.index < fromIndex) return;
      this.#entries.pop();
      this.#bytes -= last.sizeBytes;
    }
    this.clear();
  }

  clear(): void {
    this.#entries = [];
    this.#front = 0;
    this.#bytes = 0;
  }
}

/** The end of a run of entries that starts at `from` and holds at most `bytesMax`, but one. */
export function within(
  entries: readonly Entry[],
  from: number,
  end: number,
  bytesMax: number,
): number {
  const last = Math.min(end, entries.length);
  let bytes = 0;
  for (let at = from; at < last; at++) {
    bytes += (entries[at] as Entry).sizeBytes;
    if (bytes > bytesMax && at > from) return at;
  }
  return last;
}
