import { inflatedBatchBytesMax } from "./limits.ts";
import { ProglogError } from "./errors.ts";
import {
  BATCH_ATTRIBUTES,
  BATCH_CODEC,
  BATCH_OVERHEAD_BYTES,
  type BatchHeader,
  batchSizeAt,
  corrupt,
  type Gunzip,
  readBatchHeader,
  type RecordHeader,
} from "./record-batch.ts";
import { getUtf8 } from "./utf8.ts";
import { VarintReader } from "./varint.ts";

export interface DecodedRecord {
  readonly offset: number;
  /** Milliseconds since 1970. */
  readonly timestampMs: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly RecordHeader[];
}

export interface ReadBatchOptions {
  /** Without it, a compressed batch is refused as `UNSUPPORTED_COMPRESSION`. */
  readonly gunzip?: Gunzip | undefined;
  readonly inflatedBytesMax?: number | undefined;
}

const NO_HEADERS: readonly RecordHeader[] = [];
const NO_BYTES: Uint8Array = new Uint8Array(0);

/**
 * Walks the records of a batch in place: after `next()` the fields describe one record by positions
 * in `bytes` (which are the inflated ones when the batch is compressed), and nothing was allocated.
 * Never reads outside the batch, and every record must fill exactly the bytes that it claims:
 * `CORRUPT_BATCH` otherwise. The checksum is `validateBatch`'s business.
 */
export class RecordCursor {
  /** What the positions below refer to. */
  bytes: Uint8Array = NO_BYTES;
  offset = -1;
  timestampMs = 0;
  /** −1 when there is no key. */
  keyStart = -1;
  keyEnd = -1;
  /** −1 when the value is null. */
  valueStart = -1;
  valueEnd = -1;
  headersStart = 0;
  headerCount = 0;

  readonly #options: ReadBatchOptions;
  readonly #reader = new VarintReader(NO_BYTES, 0, 0);
  #memory: ArrayBufferLike = NO_BYTES.buffer;
  #memoryStart = 0;
  #baseOffset = 0;
  #baseTimestamp = 0;
  #appendTimestamp = NaN;
  #recordCount = 0;
  #ordinal = 0;

  constructor(options: ReadBatchOptions = {}) {
    this.#options = options;
  }

  /** Stands before the first record of the batch that begins at `at`. */
  open(bytes: Uint8Array, at = 0): BatchHeader {
    const end = at + batchSizeAt(bytes, at);
    const header = readBatchHeader(bytes, at);
    const codec = header.attributes & BATCH_ATTRIBUTES.codecMask;
    const reader = this.#reader;
    if (codec === BATCH_CODEC.none) {
      reader.bytes = bytes;
      reader.at = at + BATCH_OVERHEAD_BYTES;
      reader.end = end;
    } else {
      reader.bytes = inflate(bytes.subarray(at + BATCH_OVERHEAD_BYTES, end), codec, this.#options);
      reader.at = 0;
      reader.end = reader.bytes.length;
    }
    this.bytes = reader.bytes;
    this.#memory = reader.bytes.buffer;
    this.#memoryStart = reader.bytes.byteOffset;
    this.#baseOffset = header.baseOffset;
    this.#baseTimestamp = header.baseTimestamp;
    const appendTime = (header.attributes & BATCH_ATTRIBUTES.logAppendTime) !== 0;
    this.#appendTimestamp = appendTime ? header.maxTimestamp : NaN;
    this.#recordCount = header.recordCount;
    this.#ordinal = 0;
    return header;
  }

  /** Moves to the next record; false after the last. */
  next(): boolean {
    const reader = this.#reader;
    if (this.#ordinal >= this.#recordCount) {
      if (reader.at !== reader.end) throw corrupt("there are bytes after a batch's last record");
      return false;
    }
    const length = reader.read();
    const end = reader.at + length;
    // `!(a <= b)` instead of `a > b`: an invalid varint reads as NaN.
    if (!(length >= 0 && end <= reader.end)) throw this.#broken("length");
    reader.at += 1; // attributes of a record: none are defined
    const timestampDelta = reader.read();
    const offsetDelta = reader.read();
    if (offsetDelta !== this.#ordinal) throw this.#broken("offset delta");
    this.#readKeyAndValue(end);
    this.#skipHeaders(end);
    const timestamp = this.#baseTimestamp + timestampDelta;
    if (!Number.isSafeInteger(timestamp)) throw this.#broken("time");
    this.timestampMs = Number.isNaN(this.#appendTimestamp) ? timestamp : this.#appendTimestamp;
    this.offset = this.#baseOffset + offsetDelta;
    this.#ordinal += 1;
    return true;
  }

  /** Passes over the records below `offset`, without looking into them. */
  skipTo(offset: number): void {
    const reader = this.#reader;
    const ordinal = Math.min(offset - this.#baseOffset, this.#recordCount);
    while (this.#ordinal < ordinal) {
      const length = reader.read();
      if (!(length >= 0 && reader.at + length <= reader.end)) throw this.#broken("length");
      reader.at += length;
      this.#ordinal += 1;
    }
  }

  /** The current record's key, as a view. */
  key(): Uint8Array | null {
    return this.keyStart < 0 ? null : this.#view(this.keyStart, this.keyEnd);
  }

  /** The current record's value, as a view. */
  value(): Uint8Array | null {
    return this.valueStart < 0 ? null : this.#view(this.valueStart, this.valueEnd);
  }

  headers(): readonly RecordHeader[] {
    if (this.headerCount === 0) return NO_HEADERS;
    const headers: RecordHeader[] = [];
    this.forEachHeader((keyStart, keyEnd, valueStart, valueEnd) => {
      headers.push({
        key: getUtf8(this.bytes, keyStart, keyEnd),
        value: valueStart < 0 ? null : this.#view(valueStart, valueEnd),
      });
    });
    return headers;
  }

  /** Positions of the current record's headers; `valueStart` is −1 for null. */
  forEachHeader(
    visit: (keyStart: number, keyEnd: number, valueStart: number, valueEnd: number) => void,
  ): void {
    const reader = new VarintReader(this.bytes, this.headersStart, this.bytes.length);
    for (let i = 0; i < this.headerCount; i++) {
      const keyLength = reader.read();
      const keyStart = reader.at;
      reader.at += keyLength;
      const valueLength = reader.read();
      const valueStart = reader.at;
      if (valueLength < 0) {
        visit(keyStart, keyStart + keyLength, -1, -1);
        continue;
      }
      reader.at += valueLength;
      visit(keyStart, keyStart + keyLength, valueStart, reader.at);
    }
  }

  /** Twice as fast as `subarray`, and a `Uint8Array` whatever the batch is in. */
  #view(start: number, end: number): Uint8Array {
    return new Uint8Array(this.#memory, this.#memoryStart + start, end - start);
  }

  #readKeyAndValue(end: number): void {
    const reader = this.#reader;
    const keyLength = reader.read();
    if (!(keyLength >= -1)) throw this.#broken("key");
    this.keyStart = keyLength < 0 ? -1 : reader.at;
    if (keyLength > 0) reader.at += keyLength;
    this.keyEnd = keyLength < 0 ? -1 : reader.at;
    const valueLength = reader.at <= end ? reader.read() : NaN;
    if (!(valueLength >= -1)) throw this.#broken("value");
    this.valueStart = valueLength < 0 ? -1 : reader.at;
    if (valueLength > 0) reader.at += valueLength;
    this.valueEnd = valueLength < 0 ? -1 : reader.at;
  }

  #skipHeaders(end: number): void {
    const reader = this.#reader;
    const count = reader.at < end ? reader.read() : NaN;
    // A header has at least two bytes, so a count that lies cannot keep the loop busy.
    if (!(count >= 0 && 2 * count <= end - reader.at)) throw this.#broken("header count");
    this.headerCount = count;
    this.headersStart = reader.at;
    for (let i = 0; i < count; i++) {
      const keyLength = reader.at < end ? reader.read() : NaN;
      if (!(keyLength >= 0 && reader.at + keyLength < end)) throw this.#broken("header");
      reader.at += keyLength;
      const valueLength = reader.read();
      if (!(valueLength >= -1 && reader.at + valueLength <= end)) throw this.#broken("header");
      if (valueLength > 0) reader.at += valueLength;
    }
    if (reader.at !== end) throw this.#broken("length");
  }

  #broken(what: string): ProglogError {
    return corrupt(`record ${this.#ordinal} of a batch has a wrong ${what}`);
  }
}

/** All records of one batch; keys and values are views of `bytes` (or of the inflated bytes). */
export function decodeBatch(bytes: Uint8Array, options: ReadBatchOptions = {}): DecodedRecord[] {
  const records: DecodedRecord[] = [];
  const cursor = new RecordCursor(options);
  cursor.open(bytes);
  while (cursor.next()) {
    records.push({
      offset: cursor.offset,
      timestampMs: cursor.timestampMs,
      key: cursor.key(),
      value: cursor.value(),
      headers: cursor.headers(),
    });
  }
  return records;
}

function inflate(block: Uint8Array, codec: number, options: ReadBatchOptions): Uint8Array {
  if (codec !== BATCH_CODEC.gzip || options.gunzip === undefined) {
    const name = Object.entries(BATCH_CODEC).find(([, number]) => number === codec)?.[0];
    throw new ProglogError(
      "UNSUPPORTED_COMPRESSION",
      `a batch is compressed with ${name ?? `codec ${codec}`}, which is not supported here`,
    );
  }
  const bytesMax = options.inflatedBytesMax ?? inflatedBatchBytesMax;
  try {
    return options.gunzip(block, bytesMax);
  } catch (caught) {
    if (caught instanceof ProglogError) throw caught;
    throw new ProglogError("CORRUPT_BATCH", "a batch's gzip block cannot be inflated", {
      cause: caught,
    });
  }
}
