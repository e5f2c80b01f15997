/** ProduceBatches and ConsumeBatches: whole RecordBatches, as they are. */
import { ProglogError } from "../base/index.ts";
import type { AppendAnswer } from "../base/index.ts";
import {
  lengthDelimitedSize,
  ProtoReader,
  ProtoWriter,
  tagOf,
  varintFieldSize,
  varintSize,
} from "./protobuf.ts";

export interface ProduceBatchRequest {
  /** A view of the message. */
  readonly batch: Uint8Array;
  /** Empty: the default log. */
  readonly log: string;
  readonly expectedOffset: number | undefined;
}

/** Throws `INVALID_ARGUMENT` on whatever is not a ProduceBatchRequest. */
export function decodeProduceBatchRequest(bytes: Uint8Array): ProduceBatchRequest {
  let batch: Uint8Array | undefined;
  let log = "";
  let expectedOffset: number | undefined;
  const reader = new ProtoReader(bytes);
  while (reader.next()) {
    if (reader.field === 1) batch = reader.bytes();
    else if (reader.field === 10) log = reader.text();
    else if (reader.field === 11) expectedOffset = reader.safeUint64("expected_offset");
    else reader.skip();
  }
  if (batch === undefined) {
    throw new ProglogError("INVALID_ARGUMENT", "the request has no batch");
  }
  return { batch, log, expectedOffset };
}

export function encodeProduceBatchRequest(request: ProduceBatchRequest): Buffer {
  const { batch, expectedOffset } = request;
  const log = Buffer.from(request.log);
  let size = lengthDelimitedSize(1, batch.length);
  if (log.length > 0) size += lengthDelimitedSize(10, log.length);
  if (expectedOffset !== undefined) size += varintSize(tagOf(11, 0)) + varintSize(expectedOffset);
  const writer = new ProtoWriter(size);
  writer.bytesField(1, batch);
  if (log.length > 0) writer.bytesField(10, log);
  if (expectedOffset !== undefined) writer.presentField(11, expectedOffset);
  return writer.finish();
}

/** A ProduceBatchRequest is this and then the batch: for who writes both into a buffer of his own. */
export function encodeProduceBatchHead(log: string, batchLength: number): Buffer {
  const name = Buffer.from(log);
  let size = varintSize(tagOf(1, 0)) + varintSize(batchLength);
  if (name.length > 0) size += lengthDelimitedSize(10, name.length);
  const writer = new ProtoWriter(size);
  if (name.length > 0) writer.bytesField(10, name);
  writer.open(1, batchLength);
  return writer.finish();
}

/** The answer to a batch tells no time: each record has its own. */
export type BatchAnswer = Omit<AppendAnswer, "timestampMs">;

export function encodeProduceBatchResponse(answer: BatchAnswer): Buffer {
  const { baseOffset, recordCount, term, duplicate } = answer;
  const writer = new ProtoWriter(
    varintFieldSize(1, baseOffset) +
      varintFieldSize(2, recordCount) +
      varintFieldSize(3, term) +
      varintFieldSize(4, Number(duplicate)),
  );
  writer.varintField(1, baseOffset);
  writer.varintField(2, recordCount);
  writer.varintField(3, term);
  writer.varintField(4, Number(duplicate));
  return writer.finish();
}

export function decodeProduceBatchResponse(bytes: Uint8Array): BatchAnswer {
  let baseOffset = 0;
  let recordCount = 0;
  let term = 0;
  let duplicate = false;
  const reader = new ProtoReader(bytes);
  while (reader.next()) {
    if (reader.field === 1) baseOffset = reader.safeUint64("base_offset");
    else if (reader.field === 2) recordCount = reader.uint32();
    else if (reader.field === 3) term = reader.safeUint64("term");
    else if (reader.field === 4) duplicate = reader.bool();
    else reader.skip();
  }
  return { baseOffset, recordCount, term, duplicate };
}

export interface ConsumeBatchResponse {
  /** One or more whole RecordBatches, one after the other; a view of the message. */
  readonly batches: Uint8Array;
  readonly highWatermark: number;
}

/** One allocation, one copy of each batch. */
export function encodeConsumeBatchResponse(
  batches: readonly Uint8Array[],
  highWatermark: number,
): Buffer {
  let length = 0;
  for (const batch of batches) length += batch.length;
  const writer = new ProtoWriter(
    lengthDelimitedSize(1, length) + varintFieldSize(2, highWatermark),
  );
  writer.open(1, length);
  for (const batch of batches) writer.raw(batch);
  writer.varintField(2, highWatermark);
  return writer.finish();
}

export function decodeConsumeBatchResponse(bytes: Uint8Array): ConsumeBatchResponse {
  let batches: Uint8Array = new Uint8Array();
  let highWatermark = 0;
  const reader = new ProtoReader(bytes);
  while (reader.next()) {
    if (reader.field === 1) batches = reader.bytes();
    else if (reader.field === 2) highWatermark = reader.safeUint64("high_watermark");
    else reader.skip();
  }
  return { batches, highWatermark };
}
