/** Consume, ConsumeStream, and the request of ConsumeBatches. */
import { ProglogError } from "../base/index.ts";
import type { RecordCursor } from "../base/index.ts";
import {
  lengthDelimitedSize,
  ProtoReader,
  ProtoWriter,
  tagOf,
  varintFieldSize,
  varintSize,
} from "./protobuf.ts";
import { emptyRecord, measureRecord, readRecord, writeRecord } from "./record-codec.ts";
import type { ServedRecord } from "./record-codec.ts";

export interface ConsumeRequest {
  /** A bigint above 2^53−1, where no log reaches: it is only ever out of range, and exactly so. */
  readonly offset: number | bigint;
  /** Empty: the default log. */
  readonly log: string;
  /** Everything that was acknowledged before the request began. */
  readonly linearizable: boolean;
  /** Wait until this server has the record at this offset. */
  readonly minOffset: number | bigint | undefined;
  /** Ends a stream after so many records; 0: no end. */
  readonly maxRecords: number;
  /** Ends a stream after about so many bytes; 0: no end. */
  readonly maxBytes: number;
}

const CONSISTENCY_LINEARIZABLE = 1;

/** Throws `INVALID_ARGUMENT` on whatever is not a ConsumeRequest. */
export function decodeConsumeRequest(bytes: Uint8Array): ConsumeRequest {
  let offset: number | bigint = 0;
  let log = "";
  let consistency = 0;
  let minOffset: number | bigint | undefined;
  let maxRecords = 0;
  let maxBytes = 0;
  const reader = new ProtoReader(bytes);
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        offset = reader.uint64();
        break;
      case 10:
        log = reader.text();
        break;
      case 11:
        consistency = reader.uint32();
        break;
      case 12:
        minOffset = reader.uint64();
        break;
      case 13:
        maxRecords = endAfter(reader.uint64());
        break;
      case 14:
        maxBytes = endAfter(reader.uint64());
        break;
      default:
        reader.skip();
    }
  }
  if (consistency > CONSISTENCY_LINEARIZABLE) {
    throw new ProglogError("INVALID_ARGUMENT", `unknown consistency ${consistency}`);
  }
  const linearizable = consistency === CONSISTENCY_LINEARIZABLE;
  return { offset, log, linearizable, minOffset, maxRecords, maxBytes };
}

/** More than can be counted is never reached. */
function endAfter(count: number | bigint): number {
  return typeof count === "number" ? count : Number.MAX_SAFE_INTEGER;
}

/** Offsets above 2^53−1 cannot be asked for by a client of ours. */
export interface OutgoingConsumeRequest extends ConsumeRequest {
  readonly offset: number;
  readonly minOffset: number | undefined;
}

export function encodeConsumeRequest(request: OutgoingConsumeRequest): Buffer {
  const { offset, minOffset, maxRecords, maxBytes } = request;
  const consistency = request.linearizable ? CONSISTENCY_LINEARIZABLE : 0;
  const log = Buffer.from(request.log);
  let size = varintFieldSize(1, offset) + varintFieldSize(11, consistency);
  if (log.length > 0) size += lengthDelimitedSize(10, log.length);
  if (minOffset !== undefined) size += varintSize(tagOf(12, 0)) + varintSize(minOffset);
  size += varintFieldSize(13, maxRecords) + varintFieldSize(14, maxBytes);

  const writer = new ProtoWriter(size);
  writer.varintField(1, offset);
  if (log.length > 0) writer.bytesField(10, log);
  writer.varintField(11, consistency);
  if (minOffset !== undefined) writer.presentField(12, minOffset);
  writer.varintField(13, maxRecords);
  writer.varintField(14, maxBytes);
  return writer.finish();
}

export function encodeConsumeResponse(record: ServedRecord): Buffer {
  const sizes = measureRecord(record);
  const writer = new ProtoWriter(lengthDelimitedSize(2, sizes.size));
  writer.open(2, sizes.size);
  writeRecord(writer, record, sizes);
  return writer.finish();
}

/**
 * The same straight from a batch: the record where the cursor stands, accepted in `term`. Nothing is
 * decoded on the way, and the only allocation is the message.
 */
export function encodeConsumeResponseAt(cursor: RecordCursor, term: number): Buffer {
  const { keyStart, keyEnd, valueStart, valueEnd, offset, timestampMs } = cursor;
  const valueLength = valueEnd - valueStart;
  const keyLength = keyEnd - keyStart;
  let size = varintFieldSize(2, offset) + varintFieldSize(3, term);
  size += varintFieldSize(12, timestampMs);
  if (valueLength > 0) size += lengthDelimitedSize(1, valueLength);
  if (keyLength > 0) size += lengthDelimitedSize(10, keyLength);
  if (cursor.headerCount > 0) size += measureHeadersAt(cursor);

  const writer = new ProtoWriter(lengthDelimitedSize(2, size));
  writer.open(2, size);
  if (valueLength > 0) {
    writer.open(1, valueLength);
    writer.rawRange(cursor.bytes, valueStart, valueEnd);
  }
  writer.varintField(2, offset);
  writer.varintField(3, term);
  if (keyLength > 0) {
    writer.open(10, keyLength);
    writer.rawRange(cursor.bytes, keyStart, keyEnd);
  }
  if (cursor.headerCount > 0) writeHeadersAt(cursor, writer);
  writer.varintField(12, timestampMs);
  return writer.finish();
}

function measureHeadersAt(cursor: RecordCursor): number {
  let size = 0;
  cursor.forEachHeader((keyStart, keyEnd, valueStart, valueEnd) => {
    size += lengthDelimitedSize(11, headerSize(keyEnd - keyStart, valueEnd - valueStart));
  });
  return size;
}

/** `valueLength` is 0 for null too: the difference of −1 and −1. */
function headerSize(keyLength: number, valueLength: number): number {
  const key = keyLength === 0 ? 0 : lengthDelimitedSize(1, keyLength);
  return valueLength === 0 ? key : key + lengthDelimitedSize(2, valueLength);
}

function writeHeadersAt(cursor: RecordCursor, writer: ProtoWriter): void {
  cursor.forEachHeader((keyStart, keyEnd, valueStart, valueEnd) => {
    writer.open(11, headerSize(keyEnd - keyStart, valueEnd - valueStart));
    if (keyEnd > keyStart) {
      writer.open(1, keyEnd - keyStart);
      writer.rawRange(cursor.bytes, keyStart, keyEnd);
    }
    if (valueEnd > valueStart) {
      writer.open(2, valueEnd - valueStart);
      writer.rawRange(cursor.bytes, valueStart, valueEnd);
    }
  });
}

/** Its bytes are views of the message. Throws `INVALID_ARGUMENT` on anything else. */
export function decodeConsumeResponse(bytes: Uint8Array): ServedRecord {
  const record = emptyRecord();
  const reader = new ProtoReader(bytes);
  while (reader.next()) {
    if (reader.field === 2) readRecord(reader.message(), record);
    else reader.skip();
  }
  return { ...record, headers: record.headers ?? [] };
}
