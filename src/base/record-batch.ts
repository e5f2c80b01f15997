import { ProglogError } from "./errors.ts";

/**
 * Kafka's RecordBatch, magic 2: what one entry of the log holds, and what is sent and served as it
 * came. Big-endian; the records follow as varint-framed fields, perhaps compressed as one block.
 *
 * ```text
 *  0 baseOffset i64 · 8 batchLength i32 · 12 partitionLeaderEpoch i32 · 16 magic i8 · 17 crc u32
 * 21 attributes i16 · 23 lastOffsetDelta i32 · 27 baseTimestamp i64 · 35 maxTimestamp i64
 * 43 producerId i64 · 51 producerEpoch i16 · 53 baseSequence i32 · 57 recordCount i32 · 61 records
 * ```
 *
 * The CRC-32C covers everything from `attributes` on, so that the leader can stamp the base offset
 * and its epoch without touching it. Source: Kafka's protocol guide, "Record Batch".
 */
export const BATCH_OVERHEAD_BYTES = 61;
/** Base offset and batch length: what stands before the bytes that `batchLength` counts. */
export const BATCH_PREFIX_BYTES = 12;
/** Where the bytes under the CRC begin. */
export const BATCH_CRC_START = 21;
export const BATCH_MAGIC = 2;

/** Bits of `attributes`. */
export const BATCH_ATTRIBUTES = {
  codecMask: 0x07,
  /** Every record's time is `maxTimestamp`. */
  logAppendTime: 0x08,
  transactional: 0x10,
  control: 0x20,
  knownMask: 0x3f,
} as const;

export const BATCH_CODEC = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const;

export interface RecordHeader {
  readonly key: string;
  readonly value: Uint8Array | null;
}

export interface BatchHeader {
  readonly baseOffset: number;
  /** Bytes after this field. */
  readonly batchLength: number;
  readonly leaderEpoch: number;
  readonly magic: number;
  readonly crc: number;
  readonly attributes: number;
  readonly lastOffsetDelta: number;
  /** Milliseconds since 1970. */
  readonly baseTimestamp: number;
  readonly maxTimestamp: number;
  /** −1: the batch carries no stamp. */
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly recordCount: number;
}

/** Inflates a gzip block to at most `bytesMax` bytes; throws `BATCH_TOO_LARGE` beyond that. */
export type Gunzip = (bytes: Uint8Array, bytesMax: number) => Uint8Array;

export function corrupt(sentence: string): ProglogError {
  return new ProglogError("CORRUPT_BATCH", sentence);
}

/** The header of the batch that begins at `at`. Checks only that the bytes are there. */
export function readBatchHeader(bytes: Uint8Array, at = 0): BatchHeader {
  if (bytes.length - at < BATCH_OVERHEAD_BYTES) {
    throw corrupt(
      `a record batch begins with ${BATCH_OVERHEAD_BYTES} bytes, and there are ${bytes.length - at}`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, BATCH_OVERHEAD_BYTES);
  return {
    baseOffset: getInt64(view, 0),
    batchLength: view.getInt32(8),
    leaderEpoch: view.getInt32(12),
    magic: view.getInt8(16),
    crc: view.getUint32(17),
    attributes: view.getInt16(21),
    lastOffsetDelta: view.getInt32(23),
    baseTimestamp: getInt64(view, 27),
    maxTimestamp: getInt64(view, 35),
    producerId: getInt64(view, 43),
    producerEpoch: view.getInt16(51),
    baseSequence: view.getInt32(53),
    recordCount: view.getInt32(57),
  };
}

/** Bytes of the batch that begins at `at`, by its own word; `CORRUPT_BATCH` when they are not all there. */
export function batchSizeAt(bytes: Uint8Array, at: number): number {
  const available = bytes.length - at;
  if (available < BATCH_OVERHEAD_BYTES) {
    throw corrupt(
      `a record batch begins with ${BATCH_OVERHEAD_BYTES} bytes, and there are ${available}`,
    );
  }
  const size = BATCH_PREFIX_BYTES + getInt32(bytes, at + 8);
  if (size < BATCH_OVERHEAD_BYTES || size > available) {
    throw corrupt(`a record batch says that it has ${size} bytes, and there are ${available}`);
  }
  return size;
}

/** One past the last offset of the batch that begins at `at`. */
export function batchEndOffset(bytes: Uint8Array, at = 0): number {
  return getInt32(bytes, at) * 4294967296 + getUint32(bytes, at + 4) + getInt32(bytes, at + 23) + 1;
}

/** Writes what only the leader knows, in place; both fields stand outside the CRC. */
export function stampBatch(bytes: Uint8Array, baseOffset: number, leaderEpoch: number): void {
  putInt32(bytes, 0, Math.floor(baseOffset / 4294967296));
  putInt32(bytes, 4, baseOffset >>> 0);
  putInt32(bytes, 12, leaderEpoch);
}

/** The whole batches that stand one after the other in `bytes`, as views. */
export function splitBatches(bytes: Uint8Array): Uint8Array[] {
  const batches: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const size = batchSizeAt(bytes, at);
    batches.push(bytes.subarray(at, at + size));
    at += size;
  }
  return batches;
}

/** Signed; not exact outside the safe integers, and callers that care refuse it. */
function getInt64(view: DataView, at: number): number {
  return view.getInt32(at) * 4294967296 + view.getUint32(at + 4);
}

function getInt32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) << 24) |
    ((bytes[at + 1] as number) << 16) |
    ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number)
  );
}

function getUint32(bytes: Uint8Array, at: number): number {
  return getInt32(bytes, at) >>> 0;
}

function putInt32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}
