import { crc32 } from "node:zlib";
import {
  decodeConfiguration,
  encodeConfiguration,
  getU32,
  getU64,
  ProglogError,
  putU32,
  putU64,
} from "../base/index.ts";
import type { Configuration } from "../base/index.ts";
import { SALT_BYTES } from "./entry.ts";
import { readLogStart, writeLogStart } from "./log-start.ts";
import type { LogStart } from "./log-start.ts";

/**
 * A segment's `.side`: what was true just before its first entry. Made durable before the segment
 * exists, so that deleting everything in front of a segment never loses state. The first segment's
 * `.side` is the log's prefix marker (what Raft calls a snapshot).
 *
 * Layout, little-endian: a head of 144 bytes with a CRC-32 of its own, then the configuration (JSON)
 * and the producer table, with another.
 *
 *     0 magic "PLS1"  4 version u32  8 head checksum u32 (over 4..8, 12..144)  12 body checksum u32
 *     16 first index u64  24 previous term u64  32 next offset u64  40 last appended at u64
 *     48 salt (8 bytes)  56 log start (32 bytes)  88 feature level u32  92 configuration bytes u32
 *     96 configuration index u64  104 producer bytes u32  108 reserved u32
 *     112 previous segment's first index u64  120 previous segment's length u64
 *     128 commit index u64  136 reserved u64
 */
export interface SideHead {
  readonly firstIndex: number;
  /** Term of entry `firstIndex − 1`. */
  readonly previousTerm: number;
  readonly nextOffset: number;
  readonly appendedAt: number;
  /** Secret of this segment's fences. */
  readonly salt: Uint8Array;
  readonly logStart: LogStart;
  readonly featureLevel: number;
  /** The segment before this one, and its length; 0 when there was none. A gap is noticed by it. */
  readonly previousFirstIndex: number;
  readonly previousBytes: number;
  readonly commitIndex: number;
}

export interface Side extends SideHead {
  readonly configurationIndex: number;
  readonly configuration: Configuration;
  /** The side state (producer table) as its owner encodes it. */
  readonly state: Uint8Array;
}

/** The state that a log begins with when everything before it is replaced by a marker. */
export type PrefixMarker = Omit<Side, "salt" | "previousFirstIndex" | "previousBytes">;

/** What of a `.side` holds for every replica, without what is of this disk alone. */
export function markerOf(side: Side): PrefixMarker {
  return {
    firstIndex: side.firstIndex,
    previousTerm: side.previousTerm,
    nextOffset: side.nextOffset,
    appendedAt: side.appendedAt,
    logStart: side.logStart,
    featureLevel: side.featureLevel,
    commitIndex: side.commitIndex,
    configurationIndex: side.configurationIndex,
    configuration: side.configuration,
    state: side.state,
  };
}

export const SIDE_HEAD_BYTES = 144;
const MAGIC = 0x31534c50; // "PLS1"
const VERSION = 1;

export function encodeSide(side: Side): Uint8Array {
  const configuration = encodeConfiguration(side.configuration);
  const bytes = new Uint8Array(SIDE_HEAD_BYTES + configuration.length + side.state.length);
  bytes.set(configuration, SIDE_HEAD_BYTES);
  bytes.set(side.state, SIDE_HEAD_BYTES + configuration.length);
  putU32(bytes, 0, MAGIC);
  putU32(bytes, 4, VERSION);
  putU32(bytes, 12, crc32(bytes.subarray(SIDE_HEAD_BYTES)));
  putU64(bytes, 16, side.firstIndex);
  putU64(bytes, 24, side.previousTerm);
  putU64(bytes, 32, side.nextOffset);
  putU64(bytes, 40, side.appendedAt);
  bytes.set(side.salt, 48);
  writeLogStart(bytes, 56, side.logStart);
  putU32(bytes, 88, side.featureLevel);
  putU32(bytes, 92, configuration.length);
  putU64(bytes, 96, side.configurationIndex);
  putU32(bytes, 104, side.state.length);
  putU64(bytes, 112, side.previousFirstIndex);
  putU64(bytes, 120, side.previousBytes);
  putU64(bytes, 128, side.commitIndex);
  putU32(bytes, 8, headChecksum(bytes));
  return bytes;
}

function headChecksum(bytes: Uint8Array): number {
  return crc32(bytes.subarray(12, SIDE_HEAD_BYTES), crc32(bytes.subarray(4, 8)));
}

/** The head alone; undefined when it is damaged, `UNSUPPORTED_FORMAT` when it is a newer one. */
export function decodeSideHead(bytes: Uint8Array): SideHead | undefined {
  if (bytes.length < SIDE_HEAD_BYTES || getU32(bytes, 0) !== MAGIC) return undefined;
  if (getU32(bytes, 8) !== headChecksum(bytes)) return undefined;
  const version = getU32(bytes, 4);
  if (version !== VERSION) {
    throw new ProglogError("UNSUPPORTED_FORMAT", `a segment's side file has version ${version}`);
  }
  return {
    firstIndex: getU64(bytes, 16),
    previousTerm: getU64(bytes, 24),
    nextOffset: getU64(bytes, 32),
    appendedAt: getU64(bytes, 40),
    salt: bytes.slice(48, 48 + SALT_BYTES),
    logStart: readLogStart(bytes, 56),
    featureLevel: getU32(bytes, 88),
    previousFirstIndex: getU64(bytes, 112),
    previousBytes: getU64(bytes, 120),
    commitIndex: getU64(bytes, 128),
  };
}

/** All of it; undefined when any of it is damaged. */
export function decodeSide(bytes: Uint8Array): Side | undefined {
  const head = decodeSideHead(bytes);
  if (head === undefined) return undefined;
  const configurationBytes = getU32(bytes, 92);
  const stateBytes = getU32(bytes, 104);
  const stateAt = SIDE_HEAD_BYTES + configurationBytes;
  if (bytes.length !== stateAt + stateBytes) return undefined;
  if (getU32(bytes, 12) !== crc32(bytes.subarray(SIDE_HEAD_BYTES))) return undefined;
  return {
    ...head,
    configurationIndex: getU64(bytes, 96),
    configuration: decodeConfiguration(bytes.subarray(SIDE_HEAD_BYTES, stateAt)),
    state: bytes.slice(stateAt),
  };
}
