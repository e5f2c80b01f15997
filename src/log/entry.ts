import { crc32 } from "node:zlib";
import { assert, getU32, getU64, limits, ProglogError, putU32, putU64 } from "../base/index.ts";
import { ENTRY_TYPE } from "./entry-type.ts";
import type { Entry, EntryType } from "./entry-type.ts";

/**
 * The frame of an entry: a header of 48 bytes, little-endian, then the payload.
 *
 *     0 length u32 (of all after the checksum)   4 checksum u32   8 index u64   16 term u64
 *     24 base offset u64   32 appended at u64   40 record count u32   44 type u8   45 flags, reserved
 *
 * The checksum is CRC-32 (IEEE) over the length's four bytes and everything after the checksum. A
 * length is never 0, because disks leave zeros behind after a power loss.
 */
export const ENTRY_HEADER_BYTES = 48;
const AFTER_CHECKSUM = 8;
const LENGTH_MIN = ENTRY_HEADER_BYTES - AFTER_CHECKSUM;
const LENGTH_MAX = LENGTH_MIN + limits.batchBytesMax;

/** A fence: header and 16 bytes, the commit index known then and the segment's salt. */
export const FENCE_BYTES = 64;
const FENCE_COMMIT_AT = 48;
/** Where a fence carries the salt, counted from the fence's first byte. */
export const FENCE_SALT_AT = 56;
export const SALT_BYTES = 8;

const AT = { length: 0, checksum: 4, index: 8, term: 16, baseOffset: 24, appendedAt: 32 } as const;
const COUNT_AT = 40;
const TYPE_AT = 44;

const KNOWN_TYPES: ReadonlySet<number> = new Set(Object.values(ENTRY_TYPE));

export function frameBytes(payloadBytes: number): number {
  return ENTRY_HEADER_BYTES + payloadBytes;
}

/**
 * Checksums of entries that are long enough: each goes to the disk and to every follower, and does not
 * change on the way. If its bytes do all the same, a frame with the old checksum is found to be wrong.
 */
const checksums = new WeakMap<Entry, number>();
const CHECKSUM_KEPT_BYTES = 4 * 1024;

/** Writes an entry's frame at `at` and returns its end. */
export function writeEntry(into: Uint8Array, at: number, entry: Entry): number {
  const end = at + ENTRY_HEADER_BYTES + entry.payload.length;
  into.set(entry.payload, at + ENTRY_HEADER_BYTES);
  if (entry.payload.length < CHECKSUM_KEPT_BYTES) writeHeader(into, at, end, entry);
  else writeEntryHeader(into, at, entry);
  return end;
}

/** The header alone, for an entry whose payload goes on its way without being copied behind it. */
export function writeEntryHeader(into: Uint8Array, at: number, entry: Entry): void {
  putHeader(into, at, LENGTH_MIN + entry.payload.length, entry);
  let checksum = checksums.get(entry);
  if (checksum === undefined) {
    const header = into.subarray(at + AFTER_CHECKSUM, at + ENTRY_HEADER_BYTES);
    checksum = crc32(entry.payload, crc32(header, crc32(into.subarray(at, at + 4))));
    keepChecksum(entry, checksum);
  }
  putU32(into, at + AT.checksum, checksum);
}

function keepChecksum(entry: Entry, checksum: number): void {
  if (entry.payload.length >= CHECKSUM_KEPT_BYTES) checksums.set(entry, checksum);
}

/** What a fence says. */
export interface Fence {
  /** The highest entry that was durable before the write that this fence begins. */
  readonly index: number;
  readonly term: number;
  /** The next record offset before that write. */
  readonly nextOffset: number;
  /** The last entry's `appendedAt` before that write. */
  readonly appendedAt: number;
  /** Entries before that write that were not durable; above 0 only when fsync is relaxed. */
  readonly unsynced: number;
  readonly commitIndex: number;
}

/** Writes a fence at `at` and returns its end. */
export function writeFence(into: Uint8Array, at: number, fence: Fence, salt: Uint8Array): number {
  putU64(into, at + FENCE_COMMIT_AT, fence.commitIndex);
  into.set(salt, at + FENCE_SALT_AT);
  writeHeader(into, at, at + FENCE_BYTES, {
    index: fence.index,
    term: fence.term,
    baseOffset: fence.nextOffset,
    appendedAt: fence.appendedAt,
    recordCount: fence.unsynced,
    type: ENTRY_TYPE.fence,
  });
  return at + FENCE_BYTES;
}

function writeHeader(
  into: Uint8Array,
  at: number,
  end: number,
  header: Omit<Entry, "payload">,
): void {
  putHeader(into, at, end - at - AFTER_CHECKSUM, header);
  putU32(into, at + AT.checksum, frameChecksum(into, at, end));
}

/** All of a header but the checksum. */
function putHeader(
  into: Uint8Array,
  at: number,
  length: number,
  header: Omit<Entry, "payload">,
): void {
  putU32(into, at, length);
  putU64(into, at + AT.index, header.index);
  putU64(into, at + AT.term, header.term);
  putU64(into, at + AT.baseOffset, header.baseOffset);
  putU64(into, at + AT.appendedAt, header.appendedAt);
  putU32(into, at + COUNT_AT, header.recordCount);
  putU32(into, at + TYPE_AT, header.type);
}

function frameChecksum(bytes: Uint8Array, at: number, end: number): number {
  return crc32(bytes.subarray(at + AFTER_CHECKSUM, end), crc32(bytes.subarray(at, at + 4)));
}

/** A frame whose bytes are all there but wrong. */
export const BAD_FRAME = -1;

/**
 * The length in bytes that the frame at `at` claims, without looking at its content; `BAD_FRAME` if
 * no frame can be so short or so long. At least four bytes must be there.
 */
export function claimedFrameBytes(bytes: Uint8Array, at: number): number {
  const length = getU32(bytes, at);
  return length < LENGTH_MIN || length > LENGTH_MAX ? BAD_FRAME : length + AFTER_CHECKSUM;
}

/** Whether the checksum of the frame in [at, at + total) holds. */
export function frameIsIntact(bytes: Uint8Array, at: number, total: number): boolean {
  return frameChecksum(bytes, at, at + total) === getU32(bytes, at + AT.checksum);
}

export function frameIndex(bytes: Uint8Array, at: number): number {
  return getU64(bytes, at + AT.index);
}
export function frameTerm(bytes: Uint8Array, at: number): number {
  return getU64(bytes, at + AT.term);
}
export function frameBaseOffset(bytes: Uint8Array, at: number): number {
  return getU64(bytes, at + AT.baseOffset);
}
export function frameAppendedAt(bytes: Uint8Array, at: number): number {
  return getU64(bytes, at + AT.appendedAt);
}
export function frameRecordCount(bytes: Uint8Array, at: number): number {
  return getU32(bytes, at + COUNT_AT);
}
export function frameType(bytes: Uint8Array, at: number): number {
  return bytes[at + TYPE_AT] as number;
}

export function isFence(bytes: Uint8Array, at: number, total: number): boolean {
  return total === FENCE_BYTES && frameType(bytes, at) === ENTRY_TYPE.fence;
}

/** The fence at `at`, of which the checksum has been verified. */
export function readFence(bytes: Uint8Array, at: number): Fence {
  return {
    index: frameIndex(bytes, at),
    term: frameTerm(bytes, at),
    nextOffset: frameBaseOffset(bytes, at),
    appendedAt: frameAppendedAt(bytes, at),
    unsynced: frameRecordCount(bytes, at),
    commitIndex: getU64(bytes, at + FENCE_COMMIT_AT),
  };
}

/**
 * The entry in the verified frame [at, at + total); its payload is a view. Throws
 * `UNSUPPORTED_FORMAT` for a type, flag or number that this build does not know: skipping it would
 * lose data that a newer build wrote on purpose.
 */
export function readEntry(bytes: Uint8Array, at: number, total: number): Entry {
  const type = frameType(bytes, at);
  const flags = getU32(bytes, at + TYPE_AT) >>> 8;
  if (!KNOWN_TYPES.has(type) || type === ENTRY_TYPE.fence || flags !== 0) {
    throw new ProglogError(
      "UNSUPPORTED_FORMAT",
      `entry ${frameIndex(bytes, at)} has type ${type} and flags ${flags}, which this version does not know`,
    );
  }
  const entry: Entry = {
    index: frameIndex(bytes, at),
    term: frameTerm(bytes, at),
    type: type as EntryType,
    baseOffset: frameBaseOffset(bytes, at),
    appendedAt: frameAppendedAt(bytes, at),
    recordCount: frameRecordCount(bytes, at),
    payload: bytes.subarray(at + ENTRY_HEADER_BYTES, at + total),
  };
  if (!Number.isSafeInteger(entry.index) || !Number.isSafeInteger(entry.baseOffset)) {
    throw new ProglogError("UNSUPPORTED_FORMAT", "an entry's index or offset is beyond 2^53");
  }
  keepChecksum(entry, getU32(bytes, at + AT.checksum));
  return entry;
}

/** Our own entries are well-formed, or we have a mistake. */
export function assertEntry(entry: Entry): void {
  assert(Number.isSafeInteger(entry.index) && entry.index > 0, "an index is a safe integer");
  assert(Number.isSafeInteger(entry.term) && entry.term > 0, "a term is a safe integer");
  assert(Number.isSafeInteger(entry.baseOffset), "an offset is a safe integer");
  assert(entry.type !== ENTRY_TYPE.fence, "fences are the log's own");
  assert(
    entry.recordCount > 0 === (entry.type === ENTRY_TYPE.records),
    "entries of records, and only they, hold records",
  );
  assert(entry.payload.length <= limits.batchBytesMax, "an entry holds at most one largest batch");
}
