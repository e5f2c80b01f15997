import { ENTRY_TYPE } from "./entry-type.ts";
import type { Entry } from "./entry-type.ts";

/**
 * The newest batches, kept in memory, so that readers at the tail never ask the disk. Bounded by
 * bytes; the oldest go first.
 */
export class TailCache {
  readonly #bytesMax: number;
  #entries: Entry[] = [];
  #first = 0;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  add(entry: Entry): void {
    if (entry.type !== ENTRY_TYPE.records) return;
    this.#entries.push(entry);
    this.#bytes += entry.payload.length;
    while (this.#bytes > this.#bytesMax && this.#first < this.#entries.length) {
      this.#bytes -= (this.#entries[this.#first] as Entry).payload.length;
      this.#first++;
    }
    if (this.#first > 1024 && this.#first * 2 > this.#entries.length) this.#compact();
  }

  /**
   * Batches with records in [offset, limitOffset), about `bytesMax` and at least one; undefined when
   * the first of them is not here.
   */
  read(offset: number, limitOffset: number, bytesMax: number): Uint8Array[] | undefined {
    let at = this.#find(offset);
    if (at === undefined) return undefined;
    const batches: Uint8Array[] = [];
    let bytes = 0;
    for (; at < this.#entries.length; at++) {
      const entry = this.#entries[at] as Entry;
      if (entry.baseOffset >= limitOffset) break;
      if (batches.length > 0 && bytes + entry.payload.length > bytesMax) break;
      batches.push(entry.payload);
      bytes += entry.payload.length;
    }
    return batches;
  }

  /** Forgets entries from an index on. */
  cut(fromIndex: number): void {
    while (this.#entries.length > this.#first) {
      const last = this.#entries[this.#entries.length - 1] as Entry;
      if (last.index < fromIndex) return;
      this.#entries.pop();
      this.#bytes -= last.payload.length;
    }
    this.clear();
  }

  clear(): void {
    this.#entries = [];
    this.#first = 0;
    this.#bytes = 0;
  }

  #find(offset: number): number | undefined {
    let low = this.#first;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entries[middle] as Entry).baseOffset <= offset) low = middle + 1;
      else high = middle;
    }
    const found = low - 1;
    if (found < this.#first) return undefined;
    const entry = this.#entries[found] as Entry;
    return offset < entry.baseOffset + entry.recordCount ? found : undefined;
  }

  #compact(): void {
    this.#entries = this.#entries.slice(this.#first);
    this.#first = 0;
  }
}
