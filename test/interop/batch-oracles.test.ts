/** Our record batches read by Kafka's clients, theirs read by us. Nobody here wrote either of them. */
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import * as platformatic from "@platformatic/kafka";
import fc from "fast-check";
import { gunzipBounded } from "../../src/api/index.ts";
import {
  BATCH_OVERHEAD_BYTES,
  crc32c,
  decodeBatch,
  encodeBatch,
  type RecordInput,
  validateBatch,
} from "../../src/base/index.ts";

const NOW = 1_700_000_000_000;
const GUNZIP = { gunzip: gunzipBounded };

/** A record in a form that every library can be brought into: text is latin-1, times are decimal. */
interface Plain {
  readonly offset: string;
  readonly timestamp: string;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: readonly (readonly [string, string | null])[];
}

const anyBytes = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
// kafkajs keeps headers in an object: no repeated keys, and none that objects treat as special.
const headerKey = fc
  .oneof(
    fc.string({ unit: "grapheme", maxLength: 12 }),
    fc.constantFrom("trace-id", "naïve", "鍵🔑"),
  )
  .filter((key) => !(key in {}) && !/^\d+$/.test(key));
const anyHeader = fc.record({ key: headerKey, value: anyBytes });
const anyRecord = fc.record({
  value: fc.option(anyBytes),
  key: fc.option(anyBytes),
  headers: fc.uniqueArray(anyHeader, { maxLength: 4, selector: (header) => header.key }),
  timestampMs: fc.oneof(fc.constant(NOW), fc.integer({ min: 1, max: 2 * NOW })),
});
const anyRecords = fc.array(anyRecord, { minLength: 1, maxLength: 15 });

test("CRC-32C is theirs", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      assert.equal(crc32c(bytes), platformatic.crc32c(bytes));
      assert.equal(crc32c(bytes), platformatic.jsCRC32C(bytes));
    }),
  );
});

test("@platformatic/kafka reads our batches", () => {
  fc.assert(
    fc.property(anyRecords, fc.boolean(), (records, compressed) => {
      const stamp = { id: 2 ** 40 + 1, epoch: 3, sequence: 2 ** 31 - 1 };
      const ours = encodeBatch(records, { nowMs: NOW, stamp, baseOffset: 2 ** 41, leaderEpoch: 6 });
      const bytes = Buffer.from(compressed ? gzipped(ours) : ours);
      const batch = platformatic.readRecordsBatch(platformatic.Reader.from(bytes));
      assert.equal(batch.length, bytes.length - 12);
      assert.equal(batch.magic, 2);
      assert.equal(batch.crc, platformatic.crc32c(bytes.subarray(21)));
      assert.equal(batch.partitionLeaderEpoch, 6);
      assert.equal(batch.lastOffsetDelta, records.length - 1);
      assert.equal(batch.producerId, BigInt(stamp.id));
      assert.equal(batch.producerEpoch, stamp.epoch);
      assert.equal(batch.firstSequence, stamp.sequence);
      assert.equal(batch.maxTimestamp, BigInt(Math.max(...records.map((r) => r.timestampMs))));
      const read = batch.records.map((record): Plain => ({
        offset: String(batch.firstOffset + BigInt(record.offsetDelta)),
        timestamp: String(batch.firstTimestamp + record.timestampDelta),
        key: latin1(record.key),
        value: latin1(record.value),
        headers: record.headers.map(([key, value]) => [String(key), latin1(value)]),
      }));
      assert.deepEqual(
        read,
        records.map((record, i) => plainInput(record, 2 ** 41 + i)),
      );
    }),
  );
});

test("we read batches of @platformatic/kafka", () => {
  const compression = fc.constantFrom("none" as const, "gzip" as const);
  // Its encoder (dynamic-buffer 0.x) loses the upper bits of time deltas beyond 31 bits.
  const near = fc.integer({ min: NOW - 2 ** 29, max: NOW + 2 ** 29 });
  const anyNearRecords = fc.array(
    fc.tuple(anyRecord, near).map(([record, timestampMs]) => ({ ...record, timestampMs })),
    { minLength: 1, maxLength: 15 },
  );
  fc.assert(
    fc.property(anyNearRecords, compression, (records, codec) => {
      const messages = records.map(({ key, value, headers, timestampMs }) => ({
        topic: "any",
        // Their types have no null; their encoder has.
        key: key as Buffer,
        value: value as Buffer,
        timestamp: BigInt(timestampMs),
        headers: new Map(headers.map((header) => [Buffer.from(header.key), header.value])),
      }));
      const options = { compression: codec, producerId: 77n, producerEpoch: 5 };
      const bytes = platformatic.createRecordsBatch(messages, options).buffer;
      const header = validateBatch(bytes, GUNZIP);
      assert.deepEqual([header.producerId, header.producerEpoch, header.baseSequence], [77, 5, 0]);
      assertSame(bytes, records);
    }),
  );
});

test("kafkajs reads our batches", async () => {
  const property = fc.asyncProperty(anyRecords, fc.boolean(), async (records, compressed) => {
    const ours = encodeBatch(records, { nowMs: NOW, baseOffset: 2 ** 41 });
    const bytes = Buffer.from(compressed ? gzipped(ours) : ours);
    const batch = await kafkajs.decode(new kafkajs.Decoder(bytes));
    assert.equal(batch.lastOffsetDelta, records.length - 1);
    assert.equal(batch.producerId, "-1");
    const read = batch.records.map((record): Plain => ({
      offset: record.offset,
      timestamp: record.timestamp,
      key: latin1(record.key),
      value: latin1(record.value),
      headers: Object.entries(record.headers).map(([key, value]) => [key, latin1(value)]),
    }));
    assert.deepEqual(
      read,
      records.map((record, i) => plainInput(record, 2 ** 41 + i)),
    );
  });
  await fc.assert(property);
});

test("we read batches of kafkajs", async () => {
  const property = fc.asyncProperty(anyRecords, fc.boolean(), async (records, compressed) => {
    const firstTimestamp = records[0]?.timestampMs ?? NOW;
    const encoder = await kafkajs.RecordBatch({
      compression: compressed ? 1 : 0,
      firstTimestamp,
      maxTimestamp: Math.max(...records.map((record) => record.timestampMs)),
      lastOffsetDelta: records.length - 1,
      records: records.map(({ key, value, headers, timestampMs }, i) =>
        kafkajs.Record({
          offsetDelta: i,
          timestampDelta: timestampMs - firstTimestamp,
          key,
          value,
          headers: Object.fromEntries(headers.map((header) => [header.key, header.value])),
        }),
      ),
    });
    validateBatch(encoder.buffer, GUNZIP);
    assertSame(encoder.buffer, records);
  });
  await fc.assert(property);
});

type Record = RecordInput & { readonly timestampMs: number };

function assertSame(bytes: Uint8Array, records: readonly Record[]): void {
  const read = decodeBatch(bytes, GUNZIP).map((record) => plainInput(record, record.offset));
  assert.deepEqual(read, records.map(plainInput));
}

function plainInput(record: Record, offset: number): Plain {
  return {
    offset: String(offset),
    timestamp: String(record.timestampMs),
    key: latin1(record.key ?? null),
    value: latin1(record.value),
    headers: (record.headers ?? []).map(({ key, value }) => [key, latin1(value)]),
  };
}

function latin1(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString("latin1");
}

/** Our batch with its records compressed, as a producer with compression would send it. */
function gzipped(batch: Uint8Array): Uint8Array {
  const block = gzipSync(batch.subarray(BATCH_OVERHEAD_BYTES));
  const bytes = Buffer.concat([batch.subarray(0, BATCH_OVERHEAD_BYTES), block]);
  bytes.writeInt32BE(bytes.length - 12, 8);
  bytes.writeInt16BE(1, 21);
  bytes.writeUInt32BE(crc32c(bytes, 21), 17);
  return bytes;
}

interface KafkajsBatch {
  readonly lastOffsetDelta: number;
  readonly producerId: string;
  readonly records: readonly {
    readonly offset: string;
    readonly timestamp: string;
    readonly key: Buffer | null;
    readonly value: Buffer | null;
    readonly headers: Readonly<globalThis.Record<string, Buffer>>;
  }[];
}

/** The inner parts of kafkajs, which it does not export and has no types for. */
interface Kafkajs {
  readonly Decoder: new (bytes: Buffer) => object;
  readonly decode: (decoder: object) => Promise<KafkajsBatch>;
  readonly Record: (record: object) => object;
  readonly RecordBatch: (batch: object) => Promise<{ readonly buffer: Buffer }>;
}

const require = createRequire(import.meta.url);
const inner = (path: string): unknown => require(`kafkajs/src/protocol/${path}`);
const kafkajs: Kafkajs = {
  Decoder: inner("decoder") as Kafkajs["Decoder"],
  decode: inner("recordBatch/v0/decoder") as Kafkajs["decode"],
  Record: inner("recordBatch/record/v0") as Kafkajs["Record"],
  RecordBatch: (inner("recordBatch/v0") as Kafkajs).RecordBatch,
};
