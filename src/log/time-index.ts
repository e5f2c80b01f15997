import { crc32 } from "node:zlib";
import { getU32, getU64, putU32, putU64 } from "../base/index.ts";
import { lastAtMost } from "./offset-index.ts";

/**
 * A segment's sparse index of time: which offset was next when. One row for each row of the offset
 * index that holds records. Times never go back (`appendedAt` is the leader's max of its clock and
 * the entry before). In the file 16 bytes a row: appended at u64 · offset u64; then segment length
 * u64 and CRC-32 u32 as in the offset index.
 */
const ROW_BYTES = 16;
const TRAILER_BYTES = 12;

export class TimeIndex {
  readonly #appendedAt: number[] = [];
  readonly #offset: number[] = [];

  get rows(): number {
    return this.#offset.length;
  }

  get memoryBytes(): number {
    return this.rows * ROW_BYTES;
  }

  add(appendedAt: number, offset: number): void {
    this.#appendedAt.push(appendedAt);
    this.#offset.push(offset);
  }

  /** An offset from which every entry appended at or after `timestampMs` is found by walking on. */
  offsetBefore(timestampMs: number): number | undefined {
    return this.#offset[lastAtMost(this.#appendedAt, this.rows, timestampMs - 1)];
  }

  /** Forgets every row at or after an offset. */
  cut(offset: number): void {
    while (this.rows > 0 && (this.#offset[this.rows - 1] as number) >= offset) {
      this.#offset.pop();
      this.#appendedAt.pop();
    }
  }

  encode(segmentBytes: number): Uint8Array {
    const end = this.rows * ROW_BYTES;
    const bytes = new Uint8Array(end + TRAILER_BYTES);
    for (let i = 0; i < this.rows; i++) {
      putU64(bytes, i * ROW_BYTES, this.#appendedAt[i] as number);
      putU64(bytes, i * ROW_BYTES + 8, this.#offset[i] as number);
    }
    putU64(bytes, end, segmentBytes);
    putU32(bytes, end + 8, crc32(bytes.subarray(0, end + 8)));
    return bytes;
  }

  /** Undefined when the bytes are damaged or belong to a segment of another length. */
  static decode(bytes: Uint8Array, segmentBytes: number): TimeIndex | undefined {
    const end = bytes.length - TRAILER_BYTES;
    if (end < 0 || end % ROW_BYTES !== 0) return undefined;
    if (getU32(bytes, end + 8) !== crc32(bytes.subarray(0, end + 8))) return undefined;
    if (getU64(bytes, end) !== segmentBytes) return undefined;
    const index = new TimeIndex();
    for (let at = 0; at < end; at += ROW_BYTES) index.add(getU64(bytes, at), getU64(bytes, at + 8));
    return index;
  }
}
