import { limits } from "../base/index.ts";
import { ENTRY_TYPE } from "./entry-type.ts";
import type { Entry } from "./entry-type.ts";
import { OffsetIndex } from "./offset-index.ts";
import { TimeIndex } from "./time-index.ts";

/** The two indexes of a segment, filled together as its entries are written or scanned. */
export class Indexes {
  readonly offsets: OffsetIndex;
  readonly times: TimeIndex;
  #lastPosition = Number.NEGATIVE_INFINITY;
  #lastTerm: number;

  constructor(
    previousTerm: number,
    loaded?: { readonly offsets: OffsetIndex; readonly times: TimeIndex },
  ) {
    this.offsets = loaded?.offsets ?? new OffsetIndex(previousTerm);
    this.times = loaded?.times ?? new TimeIndex();
    this.#lastTerm = previousTerm;
    this.#rememberLast();
  }

  get memoryBytes(): number {
    return this.offsets.memoryBytes + this.times.memoryBytes;
  }

  /** Notes an entry at its position, in the order of the segment. */
  note(entry: Entry, position: number): void {
    const near = position - this.#lastPosition < limits.indexIntervalBytes;
    if (near && entry.term === this.#lastTerm) return;
    this.#lastPosition = position;
    this.#lastTerm = entry.term;
    const { index, baseOffset, term } = entry;
    this.offsets.add({ index, baseOffset, position, term });
    if (entry.type === ENTRY_TYPE.records) this.times.add(entry.appendedAt, baseOffset);
  }

  /** Forgets entries at or after a place. */
  cut(position: number, offset: number): void {
    this.offsets.cut(position);
    this.times.cut(offset);
    this.#rememberLast();
  }

  #rememberLast(): void {
    const last = this.offsets.row(this.offsets.rows - 1);
    this.#lastPosition = last?.position ?? Number.NEGATIVE_INFINITY;
    this.#lastTerm = last?.term ?? this.#lastTerm;
  }
}
