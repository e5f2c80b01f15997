/**
 * Reads the segments of a data directory after `docs/format.md` alone. It shares no line with the
 * engine, so that a mistake there, made in writing and in reading alike, is seen here.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { crc32, gunzipSync } from "node:zlib";

/** An entry as it stands in a file. */
export interface FoundEntry {
  readonly index: number;
  readonly term: number;
  readonly type: number;
  readonly baseOffset: number;
  readonly count: number;
  /** Of header and payload. */
  readonly digest: string;
  readonly payload: Buffer;
}

export interface FoundLog {
  readonly entries: readonly FoundEntry[];
  /** What is neither an entry nor a fence, and what does not continue what is before it. */
  readonly damage: readonly string[];
}

const HEADER = 48;
const LENGTH_MIN = 40;
const LENGTH_MAX = 40 + (2 << 20);
const FENCE = 255;
const RECORDS = 0;

/** The log as its files tell it; a last frame that is not whole counts as not written. */
export function readDirectory(dataDir: string): FoundLog {
  const folder = join(dataDir, "logs", "default");
  const names = namesIn(folder).filter((name) => /^\d{20}\.log$/.test(name));
  const entries: FoundEntry[] = [];
  const damage: string[] = [];
  for (const [number, name] of names.toSorted().entries()) {
    const isLast = number === names.length - 1;
    readSegment(readWhole(join(folder, name)), name, isLast, { entries, damage });
  }
  if (saysDamaged(readWhole(join(folder, "raft.state")))) {
    damage.push("raft.state: this replica may have forgotten something");
  }
  return { entries, damage };
}

/** What the newer copy of the state says of the replica. */
function saysDamaged(bytes: Buffer): boolean {
  let newest = { sequence: -1, isDamaged: false };
  for (const at of [0, 8192]) {
    if (bytes.length < at + 8192 || bytes.toString("latin1", at, at + 4) !== "PLRS") continue;
    const sequence = u64(bytes, at + 16);
    if (sequence > newest.sequence) {
      newest = { sequence, isDamaged: (bytes.readUInt16LE(at + 14) & 1) === 1 };
    }
  }
  return newest.isDamaged;
}

/** The values of the records of a log, from its first offset on. */
export function recordsOf({ entries }: FoundLog): { offset: number; value: string }[] {
  const records: { offset: number; value: string }[] = [];
  for (const { type, baseOffset, payload } of entries) {
    if (type !== RECORDS) continue;
    for (const [n, value] of readBatch(payload, baseOffset).entries()) {
      records.push({ offset: baseOffset + n, value });
    }
  }
  return records;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** A file may go while it is looked for. */
function readWhole(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    return Buffer.alloc(0);
  }
}

interface Sink {
  readonly entries: FoundEntry[];
  readonly damage: string[];
}

function readSegment(bytes: Buffer, name: string, isLast: boolean, sink: Sink): void {
  let at = 0;
  while (at < bytes.length) {
    const length = frameAt(bytes, at);
    if (length === 0) {
      const next = nextFrame(bytes, at + 1);
      // The end of the last file is being written, or was torn.
      if (next === undefined && isLast) return;
      sink.damage.push(`${name}: no frame at ${at}`);
      if (next === undefined) return;
      at = next;
      continue;
    }
    const frame = bytes.subarray(at, at + length);
    if (frame.readUInt8(44) !== FENCE) noteEntry(frame, `${name} at ${at}`, sink);
    at += length;
  }
}

function noteEntry(frame: Buffer, where: string, { entries, damage }: Sink): void {
  const entry: FoundEntry = {
    index: u64(frame, 8),
    term: u64(frame, 16),
    baseOffset: u64(frame, 24),
    count: frame.readUInt32LE(40),
    type: frame.readUInt8(44),
    digest: createHash("sha256").update(frame).digest("base64"),
    payload: frame.subarray(HEADER),
  };
  const before = entries.at(-1);
  if (before !== undefined) {
    const continues =
      entry.index === before.index + 1 &&
      entry.term >= before.term &&
      entry.baseOffset === before.baseOffset + before.count;
    if (!continues) damage.push(`${where}: entry ${entry.index} does not continue ${before.index}`);
  }
  entries.push(entry);
}

/** The length of the whole frame that begins here; 0 when none does. */
function frameAt(bytes: Buffer, at: number): number {
  if (at + HEADER > bytes.length) return 0;
  const length = bytes.readUInt32LE(at);
  if (length < LENGTH_MIN || length > LENGTH_MAX || at + 8 + length > bytes.length) return 0;
  const sum = crc32(bytes.subarray(at + 8, at + 8 + length), crc32(bytes.subarray(at, at + 4)));
  return sum === bytes.readUInt32LE(at + 4) ? 8 + length : 0;
}

function nextFrame(bytes: Buffer, from: number): number | undefined {
  for (let at = from; at + HEADER <= bytes.length; at++) {
    if (frameAt(bytes, at) > 0) return at;
  }
  return undefined;
}

/** The values of one RecordBatch; throws when it is none, or not the one that it should be. */
function readBatch(batch: Buffer, baseOffset: number): string[] {
  const fail = (why: string): never => {
    throw new Error(`the batch at offset ${baseOffset} ${why}`);
  };
  if (Number(batch.readBigInt64BE(0)) !== baseOffset) fail("says another offset");
  if (batch.readInt32BE(8) !== batch.length - 12) fail("has another length");
  if (batch.readInt8(16) !== 2) fail("is of another magic");
  if (crc32c(batch.subarray(21)) !== batch.readUInt32BE(17)) fail("does not match its checksum");
  const count = batch.readInt32BE(57);
  const isGzip = (batch.readInt16BE(21) & 7) === 1;
  const packed = batch.subarray(61);
  const reader = new VarintReader(isGzip ? gunzipSync(packed) : packed);
  return Array.from({ length: count }, () => {
    const end = reader.varint() + reader.at;
    reader.at += 1;
    reader.varint();
    reader.varint();
    reader.bytes();
    const value = reader.bytes();
    reader.at = end;
    return value.toString();
  });
}

class VarintReader {
  at = 0;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Zigzag, of up to 53 bits. */
  varint(): number {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.#bytes.readUInt8(this.at++);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    return Number((value >> 1n) ^ -(value & 1n));
  }

  bytes(): Buffer {
    const length = Math.max(0, this.varint());
    this.at += length;
    return this.#bytes.subarray(this.at - length, this.at);
  }
}

function u64(bytes: Buffer, at: number): number {
  return Number(bytes.readBigUInt64LE(at));
}

const CASTAGNOLI = Uint32Array.from({ length: 256 }, (_, byte) => {
  let sum = byte;
  for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0x82f63b78 : 0);
  return sum;
});

function crc32c(bytes: Buffer): number {
  let sum = 0xffffffff;
  for (const byte of bytes) sum = (sum >>> 8) ^ (CASTAGNOLI[(sum ^ byte) & 0xff] ?? 0);
  return (sum ^ 0xffffffff) >>> 0;
}
