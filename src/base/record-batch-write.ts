import type { ProducerStamp, RecordInput } from "./append.ts";
import { assert } from "./assert.ts";
import { crc32c } from "./crc32c.ts";
import { ProglogError } from "./errors.ts";
import { batchBytesMax, batchRecordsMax, recordBytesMax as recordBytesLimit } from "./limits.ts";
import {
  BATCH_CRC_START,
  BATCH_MAGIC,
  BATCH_OVERHEAD_BYTES,
  BATCH_PREFIX_BYTES,
  stampBatch,
} from "./record-batch.ts";
import { bytesFieldSize, headersSize, putBytesField, putHeaders } from "./record-fields.ts";
import { checkRecord } from "./record-size.ts";
import { putVarint, varintSize } from "./varint.ts";

const CAPACITY_BYTES_MIN = 1024;
const INT16_MAX = 32767;
const INT32_MAX = 2147483647;
const NO_BYTES = new Uint8Array(0);
const NO_STAMP: ProducerStamp = { id: -1, epoch: -1, sequence: -1 };

export interface BatchBuilderOptions {
  /** Room made at once, so that a batch whose size is known never has to grow. */
  readonly capacityBytes?: number;
  /** A batch that holds something takes no record beyond this; an empty one takes any legal record. */
  readonly bytesMax?: number;
  readonly recordsMax?: number;
  readonly recordBytesMax?: number;
}

export interface FinishOptions {
  readonly stamp?: ProducerStamp | undefined;
  readonly baseOffset?: number;
  readonly leaderEpoch?: number;
}

/**
 * Packs records into one batch after another. Its buffer grows, is bounded, and is used again; what
 * `finish` returns is the caller's own.
 */
export class BatchBuilder {
  readonly #bytesMax: number;
  readonly #recordsMax: number;
  readonly #recordBytesMax: number;
  #bytes: Uint8Array;
  #at = BATCH_OVERHEAD_BYTES;
  #count = 0;
  #baseTimestamp = 0;
  #maxTimestamp = 0;

  constructor(options: BatchBuilderOptions = {}) {
    this.#bytesMax = options.bytesMax ?? batchBytesMax;
    this.#recordsMax = options.recordsMax ?? batchRecordsMax;
    this.#recordBytesMax = options.recordBytesMax ?? recordBytesLimit;
    this.#bytes = new Uint8Array(options.capacityBytes ?? CAPACITY_BYTES_MIN);
  }

  /** Bytes of the batch as it stands. */
  get size(): number {
    return this.#at;
  }

  get count(): number {
    return this.#count;
  }

  /**
   * Copies a record into the batch; false when the batch is full and must be finished first.
   * `nowMs` is the time of a record that brings none. Throws what `checkRecord` throws, and then
   * the batch is as it was.
   */
  add(record: RecordInput, nowMs: number): boolean {
    checkRecord(record, this.#recordBytesMax);
    const { value, headers } = record;
    const key = record.key ?? null;
    const timestamp = record.timestampMs || nowMs;
    const timestampDelta = this.#count === 0 ? 0 : timestamp - this.#baseTimestamp;
    const bodySize = recordBodySize(record, timestampDelta, this.#count);
    const end = this.#at + varintSize(bodySize) + bodySize;
    if (this.#count > 0 && (end > this.#bytesMax || this.#count >= this.#recordsMax)) return false;
    if (end > this.#bytes.length) this.#grow(end);

    const bytes = this.#bytes;
    let at = putVarint(bytes, this.#at, bodySize);
    bytes[at++] = 0;
    at = putVarint(bytes, at, timestampDelta);
    at = putVarint(bytes, at, this.#count);
    at = putBytesField(bytes, at, key);
    at = putBytesField(bytes, at, value);
    at = putHeaders(bytes, at, headers);
    assert(at === end, "a record has the size that was computed for it");

    if (this.#count === 0) {
      this.#baseTimestamp = timestamp;
      this.#maxTimestamp = timestamp;
    } else if (timestamp > this.#maxTimestamp) {
      this.#maxTimestamp = timestamp;
    }
    this.#at = end;
    this.#count += 1;
    return true;
  }

  /** The batch, in an array of its own; the builder is empty again. There must be a record in it. */
  finish(options: FinishOptions = {}): Uint8Array {
    this.#complete(options);
    // A buffer that is just full is handed over as it is: a copy would cost as much as a record in ten.
    const isFull = this.#at === this.#bytes.length;
    const batch = isFull ? this.#bytes : this.#bytes.slice(0, this.#at);
    if (isFull) this.#bytes = NO_BYTES;
    this.reset();
    return batch;
  }

  /** The same into `into` at `at`, where there must be `size` bytes. */
  finishInto(into: Uint8Array, at: number, options: FinishOptions = {}): void {
    this.#complete(options);
    into.set(this.#bytes.subarray(0, this.#at), at);
    this.reset();
  }

  /** Forgets the records of the batch as it stands. */
  reset(): void {
    this.#at = BATCH_OVERHEAD_BYTES;
    this.#count = 0;
  }

  /** Writes the header before the records that are here. */
  #complete(options: FinishOptions): void {
    assert(this.#count > 0, "a batch holds at least one record");
    const bytes = this.#bytes;
    const stamp = options.stamp ?? NO_STAMP;
    checkStamp(stamp);
    const view = new DataView(bytes.buffer, bytes.byteOffset, BATCH_OVERHEAD_BYTES);
    view.setInt32(8, this.#at - BATCH_PREFIX_BYTES);
    view.setInt8(16, BATCH_MAGIC);
    view.setInt16(21, 0);
    view.setInt32(23, this.#count - 1);
    setInt64(view, 27, this.#baseTimestamp);
    setInt64(view, 35, this.#maxTimestamp);
    setInt64(view, 43, stamp.id);
    view.setInt16(51, stamp.epoch);
    view.setInt32(53, stamp.sequence);
    view.setInt32(57, this.#count);
    view.setUint32(17, crc32c(bytes, BATCH_CRC_START, this.#at));
    stampBatch(bytes, options.baseOffset ?? 0, options.leaderEpoch ?? -1);
  }

  #grow(sizeMin: number): void {
    const doubled = Math.min(Math.max(2 * this.#bytes.length, CAPACITY_BYTES_MIN), this.#bytesMax);
    const grown = new Uint8Array(Math.max(doubled, sizeMin));
    grown.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = grown;
  }
}

export interface EncodeBatchOptions extends FinishOptions {
  /** The time of records that bring none. */
  readonly nowMs: number;
}

/** One batch of all these records. Throws `BATCH_TOO_LARGE` when they do not fit into one. */
export function encodeBatch(
  records: readonly RecordInput[],
  options: EncodeBatchOptions,
): Uint8Array {
  const builder = new BatchBuilder({ capacityBytes: sizeOfBatch(records, options.nowMs) });
  for (const record of records) {
    if (builder.add(record, options.nowMs)) continue;
    throw new ProglogError(
      "BATCH_TOO_LARGE",
      `${records.length} records do not fit into one batch of at most ${batchBytesMax} bytes and ${batchRecordsMax} records`,
    );
  }
  return builder.finish(options);
}

/** Bytes of all these records as one batch; no more than a batch may have. */
function sizeOfBatch(records: readonly RecordInput[], nowMs: number): number {
  const baseTimestamp = records[0]?.timestampMs || nowMs;
  let size = BATCH_OVERHEAD_BYTES;
  for (let count = 0; count < records.length && size <= batchBytesMax; count++) {
    const record = records[count] as RecordInput;
    const body = recordBodySize(record, (record.timestampMs || nowMs) - baseTimestamp, count);
    size += varintSize(body) + body;
  }
  return Math.min(size, batchBytesMax);
}

/** Bytes of a record after its length. */
function recordBodySize(record: RecordInput, timestampDelta: number, ordinal: number): number {
  return (
    1 +
    varintSize(timestampDelta) +
    varintSize(ordinal) +
    bytesFieldSize(record.key ?? null) +
    bytesFieldSize(record.value) +
    headersSize(record.headers)
  );
}

/** The batch header has room for 63, 15 and 31 bits. */
function checkStamp(stamp: ProducerStamp): void {
  const { id, epoch, sequence } = stamp;
  if (stamp === NO_STAMP) return;
  const fits =
    isWithin(id, Number.MAX_SAFE_INTEGER) &&
    isWithin(epoch, INT16_MAX) &&
    isWithin(sequence, INT32_MAX);
  if (fits) return;
  throw new ProglogError(
    "INVALID_ARGUMENT",
    `a batch cannot carry the producer stamp (id ${id}, epoch ${epoch}, sequence ${sequence})`,
  );
}

function isWithin(value: number, max: number): boolean {
  return Number.isSafeInteger(value) && value >= 0 && value <= max;
}

function setInt64(view: DataView, at: number, value: number): void {
  view.setInt32(at, Math.floor(value / 4294967296));
  view.setUint32(at + 4, value >>> 0);
}
