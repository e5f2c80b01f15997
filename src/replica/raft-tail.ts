import { Deque } from "../base/index.ts";
import type { Entry } from "../raft/index.ts";

/**
 * The newest durable entries, in memory and next to each other, so that followers which keep up, and
 * whoever applies, never ask the disk. Bounded by bytes; the oldest go first.
 */
export class RaftTail {
  readonly #bytesMax: number;
  readonly #entries = new Deque<Entry>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Of the first entry held; undefined when there is none. */
  get firstIndex(): number | undefined {
    return this.#entries.peek()?.index;
  }

  push(entry: Entry): void {
    this.#entries.push(entry);
    this.#bytes += entry.sizeBytes;
    while (this.#bytes > this.#bytesMax && this.#entries.length > 1) {
      this.#bytes -= this.#entries.shift()?.sizeBytes ?? 0;
    }
  }

  get(index: number): Entry | undefined {
    const first = this.firstIndex;
    return first === undefined ? undefined : this.#entries.at(index - first);
  }

  /** `[low, high)` as far as `bytesMax` reaches, at least one; undefined when `low` is not here. */
  slice(low: number, high: number, bytesMax: number): readonly Entry[] | undefined {
    const first = this.firstIndex;
    if (first === undefined || low < first) return undefined;
    const from = low - first;
    if (from >= this.#entries.length) return undefined;
    return this.#entries.slice(from, within(this.#entries, from, from + high - low, bytesMax));
  }

  /** Forgets what lies at an index and after it. */
  cut(fromIndex: number): void {
    for (let last = this.#entries.peekLast(); last !== undefined; last = this.#entries.peekLast()) {
      if (last.index < fromIndex) return;
      this.#entries.pop();
      this.#bytes -= last.sizeBytes;
    }
  }

  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }
}

/** The end of a run of entries that starts at `from` and holds at most `bytesMax`, but one. */
export function within(
  entries: Pick<readonly Entry[], "at" | "length">,
  from: number,
  end: number,
  bytesMax: number,
): number {
  const last = Math.min(end, entries.length);
  let bytes = 0;
  for (let at = from; at < last; at++) {
    bytes += entries.at(at)?.sizeBytes ?? 0;
    if (bytes > bytesMax && at > from) return at;
  }
  return last;
}
