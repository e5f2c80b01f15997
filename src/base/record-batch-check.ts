import { crc32c } from "./crc32c.ts";
import { ProglogError } from "./errors.ts";
import {
  batchBytesMax,
  batchRecordsMax,
  recordBytesMax as recordBytesLimit,
  recordHeadersMax,
} from "./limits.ts";
import { type ReadBatchOptions, RecordCursor } from "./record-batch-read.ts";
import {
  BATCH_ATTRIBUTES,
  BATCH_CRC_START,
  BATCH_MAGIC,
  BATCH_PREFIX_BYTES,
  type BatchHeader,
  corrupt,
  readBatchHeader,
} from "./record-batch.ts";
import { isUtf8 } from "./utf8.ts";

export interface ValidateBatchOptions extends ReadBatchOptions {
  /** The batch as it came. */
  readonly bytesMax?: number | undefined;
  readonly recordsMax?: number | undefined;
  /** Key, value and headers of one record. */
  readonly recordBytesMax?: number | undefined;
}

/**
 * Checks that `bytes` are exactly one batch that the log may keep: length, magic, CRC-32C, attributes,
 * counts, deltas 0…n−1, every record filling its bytes, sizes within the limits. Throws
 * `CORRUPT_BATCH`, `UNSUPPORTED_COMPRESSION`, `BATCH_TOO_LARGE`, `RECORD_TOO_LARGE` or
 * `INVALID_ARGUMENT`; base offset and leader epoch are whatever they are.
 */
export function validateBatch(bytes: Uint8Array, options: ValidateBatchOptions = {}): BatchHeader {
  const bytesMax = options.bytesMax ?? batchBytesMax;
  if (bytes.length > bytesMax) {
    throw new ProglogError(
      "BATCH_TOO_LARGE",
      `a batch has ${bytes.length} bytes; at most ${bytesMax} are allowed`,
      { details: { bytes: String(bytes.length), bytesMax: String(bytesMax) } },
    );
  }
  const header = readBatchHeader(bytes);
  checkEnvelope(bytes, header);
  checkAttributes(header.attributes);
  checkCounts(header, options.recordsMax ?? batchRecordsMax);
  checkNumbers(header);
  checkRecords(bytes, options);
  return header;
}

function checkEnvelope(bytes: Uint8Array, header: BatchHeader): void {
  const size = BATCH_PREFIX_BYTES + header.batchLength;
  if (size !== bytes.length) {
    throw corrupt(`a batch says that it has ${size} bytes, and has ${bytes.length}`);
  }
  if (header.magic !== BATCH_MAGIC) {
    throw corrupt(`a batch has magic ${header.magic}; only ${BATCH_MAGIC} is supported`);
  }
  checkBatchChecksum(bytes, header);
}

/** Throws `CORRUPT_BATCH` when the bytes of a batch are not those that its checksum was made of. */
export function checkBatchChecksum(bytes: Uint8Array, header: BatchHeader): void {
  const crc = crc32c(bytes, BATCH_CRC_START);
  if (crc === header.crc) return;
  throw corrupt(`a batch has the checksum ${hex(crc)} and says ${hex(header.crc)}`);
}

function checkAttributes(attributes: number): void {
  if ((attributes & BATCH_ATTRIBUTES.transactional) !== 0) {
    throw invalid("a batch is transactional, and there are no transactions here");
  }
  if ((attributes & BATCH_ATTRIBUTES.control) !== 0) {
    throw invalid("a batch is a control batch, which only a log itself may write");
  }
  if ((attributes & ~BATCH_ATTRIBUTES.knownMask) !== 0) {
    throw invalid(`a batch has unknown attributes (${hex(attributes & 0xffff)})`);
  }
}

function checkCounts(header: BatchHeader, recordsMax: number): void {
  const { recordCount, lastOffsetDelta } = header;
  if (recordCount < 1) throw invalid(`a batch has ${recordCount} records; it needs at least one`);
  if (recordCount !== lastOffsetDelta + 1) {
    throw corrupt(
      `a batch has ${recordCount} records and the last offset delta ${lastOffsetDelta}`,
    );
  }
  if (recordCount > recordsMax) {
    throw new ProglogError(
      "BATCH_TOO_LARGE",
      `a batch has ${recordCount} records; at most ${recordsMax} are allowed`,
    );
  }
}

/** 64-bit fields must be numbers that JavaScript holds exactly. */
function checkNumbers(header: BatchHeader): void {
  const { baseTimestamp, maxTimestamp, producerId, producerEpoch, baseSequence } = header;
  if (!Number.isSafeInteger(baseTimestamp) || !Number.isSafeInteger(maxTimestamp)) {
    throw invalid("a batch has a time outside ±2^53 milliseconds");
  }
  const stamped = producerId >= 0;
  if (stamped ? producerEpoch < 0 || baseSequence < 0 : producerId !== -1) {
    throw invalid(
      `a batch has the producer stamp (id ${producerId}, epoch ${producerEpoch}, sequence ${baseSequence})`,
    );
  }
  if (!Number.isSafeInteger(producerId)) throw invalid("a batch has a producer id beyond 2^53");
}

function checkRecords(bytes: Uint8Array, options: ValidateBatchOptions): void {
  const recordBytesMax = options.recordBytesMax ?? recordBytesLimit;
  const cursor = new RecordCursor(options);
  cursor.open(bytes);
  while (cursor.next()) {
    // Positions of what is absent are −1 at both ends.
    let size = cursor.keyEnd - cursor.keyStart + (cursor.valueEnd - cursor.valueStart);
    if (cursor.headerCount > 0) size += checkHeaders(cursor);
    if (size <= recordBytesMax) continue;
    throw new ProglogError(
      "RECORD_TOO_LARGE",
      `a record has ${size} bytes of key, value and headers; at most ${recordBytesMax} are allowed`,
      { details: { bytes: String(size), bytesMax: String(recordBytesMax) } },
    );
  }
}

/** Bytes of the current record's headers. */
function checkHeaders(cursor: RecordCursor): number {
  if (cursor.headerCount > recordHeadersMax) {
    throw invalid(
      `a record has ${cursor.headerCount} headers; at most ${recordHeadersMax} are allowed`,
    );
  }
  let size = 0;
  cursor.forEachHeader((keyStart, keyEnd, valueStart, valueEnd) => {
    if (!isUtf8(cursor.bytes, keyStart, keyEnd)) throw invalid("a header's key is not UTF-8");
    size += keyEnd - keyStart + (valueEnd - valueStart);
  });
  return size;
}

function invalid(sentence: string): ProglogError {
  return new ProglogError("INVALID_ARGUMENT", sentence);
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
