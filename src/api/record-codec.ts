/** `log.v1.Record` between the wire and a batch. Bytes stay views; nothing is copied to be looked at. */
import { ProglogError } from "../base/index.ts";
import type { RecordHeader, RecordInput } from "../base/index.ts";
import { lengthDelimitedSize, varintFieldSize } from "./protobuf.ts";
import type { ProtoReader, ProtoWriter } from "./protobuf.ts";

/** A record that can be read: what `encodeConsumeResponse` takes. */
export interface ServedRecord {
  readonly offset: number;
  /** The term of the leader that accepted the record. */
  readonly term: number;
  readonly value: Uint8Array | null;
  readonly key: Uint8Array | null;
  readonly headers: readonly RecordHeader[];
  readonly timestampMs: number;
}

/** Filled by one or more occurrences of the same embedded message, which the format merges. */
export interface RecordFields {
  value: Uint8Array;
  key: Uint8Array | null;
  headers: RecordHeader[] | undefined;
  timestampMs: number;
  offset: number;
  term: number;
}

const NO_BYTES = new Uint8Array();

export function emptyRecord(): RecordFields {
  return { value: NO_BYTES, key: null, headers: undefined, timestampMs: 0, offset: 0, term: 0 };
}

export function readRecord(reader: ProtoReader, into: RecordFields): void {
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        into.value = reader.bytes();
        break;
      case 2:
        into.offset = reader.safeUint64("offset");
        break;
      case 3:
        into.term = reader.safeUint64("term");
        break;
      case 10: {
        // Without presence in the definition, an empty key is no key.
        const key = reader.bytes();
        into.key = key.length === 0 ? null : key;
        break;
      }
      case 11:
        (into.headers ??= []).push(readHeader(reader.message()));
        break;
      case 12:
        into.timestampMs = reader.safeInt64("timestamp_ms");
        break;
      default:
        reader.skip();
    }
  }
}

function readHeader(reader: ProtoReader): RecordHeader {
  let key = "";
  let value: Uint8Array = NO_BYTES;
  while (reader.next()) {
    if (reader.field === 1) key = reader.text();
    else if (reader.field === 2) value = reader.bytes();
    else reader.skip();
  }
  return { key, value };
}

/** What a producer may say about a record; the offset and the term are the log's to give. */
export function asInput(fields: RecordFields): RecordInput {
  if (fields.timestampMs < 0) {
    throw new ProglogError("INVALID_ARGUMENT", "timestamp_ms is negative");
  }
  return fields;
}

interface HeaderBytes {
  readonly key: Buffer;
  readonly value: Uint8Array;
  readonly size: number;
}

/** Sizes that are needed twice: to allocate, and to write the lengths. */
export interface RecordSizes {
  readonly size: number;
  readonly headers: readonly HeaderBytes[];
}

const NO_HEADERS: readonly HeaderBytes[] = [];

type WrittenRecord = RecordInput & { readonly offset?: number; readonly term?: number };

export function measureRecord(record: WrittenRecord): RecordSizes {
  let size = 0;
  const { value, key, headers } = record;
  if (value !== null && value.length > 0) size += lengthDelimitedSize(1, value.length);
  size += varintFieldSize(2, record.offset ?? 0);
  size += varintFieldSize(3, record.term ?? 0);
  if (key && key.length > 0) size += lengthDelimitedSize(10, key.length);
  size += varintFieldSize(12, record.timestampMs ?? 0);
  if (headers === undefined || headers.length === 0) return { size, headers: NO_HEADERS };
  const measured = headers.map(measureHeader);
  for (const header of measured) size += lengthDelimitedSize(11, header.size);
  return { size, headers: measured };
}

function measureHeader(header: RecordHeader): HeaderBytes {
  const key = Buffer.from(header.key);
  const value = header.value ?? NO_BYTES;
  let size = 0;
  if (key.length > 0) size += lengthDelimitedSize(1, key.length);
  if (value.length > 0) size += lengthDelimitedSize(2, value.length);
  return { key, value, size };
}

export function writeRecord(writer: ProtoWriter, record: WrittenRecord, sizes: RecordSizes): void {
  const { value, key } = record;
  if (value !== null && value.length > 0) writer.bytesField(1, value);
  writer.varintField(2, record.offset ?? 0);
  writer.varintField(3, record.term ?? 0);
  if (key && key.length > 0) writer.bytesField(10, key);
  for (const header of sizes.headers) {
    writer.open(11, header.size);
    if (header.key.length > 0) writer.bytesField(1, header.key);
    if (header.value.length > 0) writer.bytesField(2, header.value);
  }
  writer.varintField(12, record.timestampMs ?? 0);
}
