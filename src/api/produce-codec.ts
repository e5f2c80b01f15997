/** Produce and ProduceStream: one record a message. */
import { ProglogError } from "../base/index.ts";
import type { AppendAnswer, ProducerStamp, RecordInput } from "../base/index.ts";
import {
  lengthDelimitedSize,
  ProtoReader,
  ProtoWriter,
  tagOf,
  varintFieldSize,
  varintSize,
} from "./protobuf.ts";
import { asInput, emptyRecord, measureRecord, readRecord, writeRecord } from "./record-codec.ts";

export interface ProduceRequest {
  /** Its bytes are views of the message. */
  readonly record: RecordInput;
  /** Empty: the default log. */
  readonly log: string;
  readonly expectedOffset: number | undefined;
  readonly stamp: ProducerStamp | undefined;
}

const SEQUENCE_MAX = 0x7fffffff;

/** Throws `INVALID_ARGUMENT` on whatever is not a ProduceRequest. */
export function decodeProduceRequest(bytes: Uint8Array): ProduceRequest {
  const record = emptyRecord();
  let hasRecord = false;
  let log = "";
  let expectedOffset: number | undefined;
  let stamp: MutableStamp | undefined;
  const reader = new ProtoReader(bytes);
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        hasRecord = true;
        readRecord(reader.message(), record);
        break;
      case 10:
        log = reader.text();
        break;
      case 11:
        expectedOffset = reader.safeUint64("expected_offset");
        break;
      case 12:
        stamp ??= { id: 0, epoch: 0, sequence: 0 };
        readStamp(reader.message(), stamp);
        break;
      default:
        reader.skip();
    }
  }
  if (!hasRecord) throw new ProglogError("INVALID_ARGUMENT", "the request has no record");
  return { record: asInput(record), log, expectedOffset, stamp };
}

type MutableStamp = { -readonly [K in keyof ProducerStamp]: ProducerStamp[K] };

function readStamp(reader: ProtoReader, into: MutableStamp): void {
  while (reader.next()) {
    if (reader.field === 1) into.id = reader.safeUint64("producer.id");
    else if (reader.field === 2) into.epoch = reader.uint32();
    else if (reader.field === 3) into.sequence = reader.uint32();
    else reader.skip();
  }
  if (into.sequence > SEQUENCE_MAX) {
    throw new ProglogError("INVALID_ARGUMENT", "producer.sequence is above 2^31−1");
  }
}

export function encodeProduceRequest(request: ProduceRequest): Buffer {
  const { record, expectedOffset, stamp } = request;
  const sizes = measureRecord(record);
  const log = Buffer.from(request.log);
  const stampSize = stamp === undefined ? 0 : measureStamp(stamp);
  let size = lengthDelimitedSize(1, sizes.size);
  if (log.length > 0) size += lengthDelimitedSize(10, log.length);
  if (expectedOffset !== undefined) size += varintSize(tagOf(11, 0)) + varintSize(expectedOffset);
  if (stamp !== undefined) size += lengthDelimitedSize(12, stampSize);

  const writer = new ProtoWriter(size);
  writer.open(1, sizes.size);
  writeRecord(writer, record, sizes);
  if (log.length > 0) writer.bytesField(10, log);
  if (expectedOffset !== undefined) writer.presentField(11, expectedOffset);
  if (stamp !== undefined) {
    writer.open(12, stampSize);
    writer.varintField(1, stamp.id);
    writer.varintField(2, stamp.epoch);
    writer.varintField(3, stamp.sequence);
  }
  return writer.finish();
}

function measureStamp(stamp: ProducerStamp): number {
  return (
    varintFieldSize(1, stamp.id) +
    varintFieldSize(2, stamp.epoch) +
    varintFieldSize(3, stamp.sequence)
  );
}

export function encodeProduceResponse(answer: AppendAnswer): Buffer {
  const { baseOffset, term, timestampMs, duplicate } = answer;
  const writer = new ProtoWriter(
    varintFieldSize(1, baseOffset) +
      varintFieldSize(10, term) +
      varintFieldSize(11, timestampMs) +
      varintFieldSize(12, Number(duplicate)),
  );
  writer.varintField(1, baseOffset);
  writer.varintField(10, term);
  writer.varintField(11, timestampMs);
  writer.varintField(12, Number(duplicate));
  return writer.finish();
}

export function decodeProduceResponse(bytes: Uint8Array): AppendAnswer {
  let baseOffset = 0;
  let term = 0;
  let timestampMs = 0;
  let duplicate = false;
  const reader = new ProtoReader(bytes);
  while (reader.next()) {
    if (reader.field === 1) baseOffset = reader.safeUint64("offset");
    else if (reader.field === 10) term = reader.safeUint64("term");
    else if (reader.field === 11) timestampMs = reader.safeInt64("timestamp_ms");
    else if (reader.field === 12) duplicate = reader.bool();
    else reader.skip();
  }
  return { baseOffset, recordCount: 1, term, timestampMs, duplicate };
}
