/** Consume, ConsumeStream, and the request of ConsumeBatches. */
import { ProglogError } from "../base/index.ts";
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
