import { crc32 } from "node:zlib";
import { assert, getU32, getU64, putU32, putU64 } from "../base/index.ts";

/**
 * A segment's sparse index: where entries lie. One row about every 4 KiB, and one at every change of
 * term, so that the runs of terms can be read from it. A cache: it is rebuilt from the segment when
 * it is missing or does not match, and the header at the position it names is checked at each use.
 *
 * In the file 24 bytes a row, little-endian: index u64 · base offset u64 · position u32 · term delta
 * u32 (to the term before the segment); then a CRC-32 of all rows and of the segment's length, u64 +
 * u32. The book's index maps offsets to positions the same way, in fixed rows searched by halving.
 */
const ROW_BYTES = 24;
const TRAILER_BYTES = 12;
const ROWS_INITIAL = 64;

export interface IndexRow {
  readonly index: number;
  readonly baseOffset: number;
  /** Of the entry's frame in the segment, in bytes. */
  readonly position: number;
  readonly term: number;
}

export class OffsetIndex {
  readonly #termBase: number;
  #rows = 0;
  #index = new Float64Array(ROWS_INITIAL);
  #offset = new Float64Array(ROWS_INITIAL);
  #position = new Uint32Array(ROWS_INITIAL);
  #termDelta = new Uint32Array(ROWS_INITIAL);

  /** `termBase` is the term of the entry before the segment. */
  constructor(termBase: number) {
    this.#termBase = termBase;
  }

  get rows(): number {
    return this.#rows;
  }

  get memoryBytes(): number {
    return this.#index.length * ROW_BYTES;
  }

  add(row: IndexRow): void {
    assert(
      this.#rows === 0 || row.position > (this.#position[this.#rows - 1] as number),
      "rows are added in the order of the segment",
    );
    if (this.#rows === this.#index.length) this.#grow();
    this.#index[this.#rows] = row.index;
    this.#offset[this.#rows] = row.baseOffset;
    this.#position[this.#rows] = row.position;
    this.#termDelta[this.#rows] = row.term - this.#termBase;
    this.#rows++;
  }

  row(at: number): IndexRow | undefined {
    if (at < 0 || at >= this.#rows) return undefined;
    return {
      index: this.#index[at] as number,
      baseOffset: this.#offset[at] as number,
      position: this.#position[at] as number,
      term: this.#termBase + (this.#termDelta[at] as number),
    };
  }

  /** The last row whose base offset is at most `offset`. */
  rowForOffset(offset: number): IndexRow | undefined {
    return this.row(lastAtMost(this.#offset, this.#rows, offset));
  }

  /** The last row whose index is at most `index`. */
  rowForIndex(index: number): IndexRow | undefined {
    return this.row(lastAtMost(this.#index, this.#rows, index));
  }

  /** Forgets every row at or after a position. */
  cut(position: number): void {
    while (this.#rows > 0 && (this.#position[this.#rows - 1] as number) >= position) this.#rows--;
  }

  encode(segmentBytes: number): Uint8Array {
    const bytes = new Uint8Array(this.#rows * ROW_BYTES + TRAILER_BYTES);
    for (let i = 0, at = 0; i < this.#rows; i++, at += ROW_BYTES) {
      putU64(bytes, at, this.#index[i] as number);
      putU64(bytes, at + 8, this.#offset[i] as number);
      putU32(bytes, at + 16, this.#position[i] as number);
      putU32(bytes, at + 20, this.#termDelta[i] as number);
    }
    const end = this.#rows * ROW_BYTES;
    putU64(bytes, end, segmentBytes);
    putU32(bytes, end + 8, crc32(bytes.subarray(0, end + 8)));
    return bytes;
  }

  /** Undefined when the bytes are damaged or belong to a segment of another length. */
  static decode(
    bytes: Uint8Array,
    termBase: number,
    segmentBytes: number,
  ): OffsetIndex | undefined {
    const end = bytes.length - TRAILER_BYTES;
    if (end < 0 || end % ROW_BYTES !== 0) return undefined;
    if (getU32(bytes, end + 8) !== crc32(bytes.subarray(0, end + 8))) return undefined;
    if (getU64(bytes, end) !== segmentBytes) return undefined;
    const index = new OffsetIndex(termBase);
    for (let at = 0; at < end; at += ROW_BYTES) {
      index.add({
        index: getU64(bytes, at),
        baseOffset: getU64(bytes, at + 8),
        position: getU32(bytes, at + 16),
        term: termBase + getU32(bytes, at + 20),
      });
    }
    return index;
  }

  #grow(): void {
    const length = this.#index.length * 2;
    this.#index = grown(this.#index, new Float64Array(length));
    this.#offset = grown(this.#offset, new Float64Array(length));
    this.#position = grown(this.#position, new Uint32Array(length));
    this.#termDelta = grown(this.#termDelta, new Uint32Array(length));
  }
}

function grown<T extends Float64Array | Uint32Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

/** The position of the last of `count` ascending values that is at most `wanted`; −1 if none is. */
export function lastAtMost(
  values: { readonly [at: number]: number },
  count: number,
  wanted: number,
): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((values[middle] as number) <= wanted) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
