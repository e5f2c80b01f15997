import { Deque } from "../base/index.ts";
import { ENTRY_TYPE } from "./entry-type.ts";
import type { Entry } from "./entry-type.ts";

/**
 * The newest batches, kept in memory, so that readers at the tail never ask the disk. Bounded by
 * bytes; the oldest go first.
 */
export class TailCache {
  readonly #bytesMax: number;
  readonly #entries = new Deque<Entry>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  add(entry: Entry): void {
    if (entry.type !== ENTRY_TYPE.records) return;
    this.#entries.push(entry);
    this.#bytes += entry.payload.length;
    while (this.#bytes > this.#bytesMax && this.#entries.length > 0) {
      this.#bytes -= this.#entries.shift()?.payload.length ?? 0;
    }
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
      const entry = this.#entries.at(at) as Entry;
      if (entry.baseOffset >= limitOffset) break;
      if (batches.length > 0 && bytes + entry.payload.length > bytesMax) break;
      batches.push(entry.payload);
      bytes += entry.payload.length;
    }
    return batches;
  }

  /** Forgets entries from an index on. */
  cut(fromIndex: number): void {
    for (let last = this.#entries.peekLast(); last !== undefined; last = this.#entries.peekLast()) {
      if (last.index < fromIndex) return;
      this.#entries.pop();
      this.#bytes -= last.payload.length;
    }
  }

  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }

  #find(offset: number): number | undefined {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entries.at(middle) as Entry).baseOffset <= offset) low = middle + 1;
      else high = middle;
    }
    const found = low - 1;
    const entry = this.#entries.at(found);
    if (entry === undefined || offset >= entry.baseOffset + entry.recordCount) return undefined;
    return found;
  }
}
