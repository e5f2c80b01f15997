import { getU64, ProglogError, putU64 } from "../base/index.ts";

/**
 * Where the log begins, and how long it keeps what it has. Decided by the leader, replicated as an
 * entry, so that every replica begins at the same place.
 *
 * Payload of an entry of type `logStart`, 32 bytes: index u64 · offset u64 · retention bytes u64 ·
 * retention ms u64, little-endian; a retention of 0 means for ever.
 */
export interface LogStart {
  /** The first index that is kept; what is below may be deleted. */
  readonly index: number;
  /** The first offset that can be read. */
  readonly offset: number;
  readonly retentionBytes: number;
  readonly retentionMs: number;
}

export const LOG_START_BYTES = 32;

export const logStartInitial: LogStart = {
  index: 1,
  offset: 0,
  retentionBytes: 0,
  retentionMs: 0,
};

export function encodeLogStart(start: LogStart): Uint8Array {
  const bytes = new Uint8Array(LOG_START_BYTES);
  writeLogStart(bytes, 0, start);
  return bytes;
}

export function writeLogStart(into: Uint8Array, at: number, start: LogStart): void {
  putU64(into, at, start.index);
  putU64(into, at + 8, start.offset);
  putU64(into, at + 16, start.retentionBytes);
  putU64(into, at + 24, start.retentionMs);
}

export function readLogStart(bytes: Uint8Array, at: number): LogStart {
  return {
    index: getU64(bytes, at),
    offset: getU64(bytes, at + 8),
    retentionBytes: getU64(bytes, at + 16),
    retentionMs: getU64(bytes, at + 24),
  };
}

/** The payload of a log-start entry; throws `UNSUPPORTED_FORMAT` on another shape. */
export function decodeLogStart(payload: Uint8Array): LogStart {
  if (payload.length !== LOG_START_BYTES) {
    throw new ProglogError("UNSUPPORTED_FORMAT", "a log-start entry has another length than 32");
  }
  return readLogStart(payload, 0);
}
