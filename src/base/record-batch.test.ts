import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { gunzipBounded } from "../api/index.ts";
import {
  BATCH_OVERHEAD_BYTES,
  BatchBuilder,
  batchEndOffset,
  crc32c,
  decodeBatch,
  encodeBatch,
  type ErrorCode,
  limits,
  ProglogError,
  readBatchHeader,
  RecordCursor,
  recordBytes,
  type RecordHeader,
  type RecordInput,
  recordSize,
  splitBatches,
  stampBatch,
  validateBatch,
} from "./index.ts";

const NOW = 1_700_000_000_000;

const anyBytes = fc.uint8Array({ maxLength: 100 });
const anyHeader: fc.Arbitrary<RecordHeader> = fc.record(
  {
    key: fc.string({ unit: "grapheme", maxLength: 20 }),
    value: fc.option(anyBytes),
  },
  { noNullPrototype: true },
);
const anyRecord: fc.Arbitrary<RecordInput> = fc.record(
  {
    value: fc.option(anyBytes),
    key: fc.option(anyBytes),
    headers: fc.array(anyHeader, { maxLength: 4 }),
    timestampMs: fc.oneof(fc.maxSafeNat(), fc.integer({ min: NOW - 1000, max: NOW + 1000 })),
  },
  { requiredKeys: ["value"], noNullPrototype: true },
);

function refused(code: ErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof ProglogError && error.code === code;
}

/** The batch with its records compressed. */
function gzipped(batch: Uint8Array): Uint8Array {
  const block = gzipSync(batch.subarray(BATCH_OVERHEAD_BYTES));
  const copy = new Uint8Array(BATCH_OVERHEAD_BYTES + block.length);
  copy.set(batch.subarray(0, BATCH_OVERHEAD_BYTES));
  copy.set(block, BATCH_OVERHEAD_BYTES);
  const view = new DataView(copy.buffer);
  view.setInt32(8, copy.length - 12);
  view.setInt16(21, 1);
  view.setUint32(17, crc32c(copy, 21));
  return copy;
}

test("what goes in comes out", () => {
  const anyBatch = fc.record({
    records: fc.array(anyRecord, { minLength: 1, maxLength: 20 }),
    // Offsets are safe integers, the one after the batch included.
    baseOffset: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER - 20 }),
    compressed: fc.boolean(),
  });
  fc.assert(
    fc.property(anyBatch, ({ records, baseOffset, compressed }) => {
      const stamp = { id: 7, epoch: 3, sequence: 11 };
      const plain = encodeBatch(records, { nowMs: NOW, stamp, leaderEpoch: 5, baseOffset });
      const bytes = compressed ? gzipped(plain) : plain;
      const header = validateBatch(bytes, { gunzip: gunzipBounded });
      assert.equal(header.recordCount, records.length);
      assert.equal(header.baseOffset, baseOffset);
      assert.equal(header.leaderEpoch, 5);
      assert.deepEqual([header.producerId, header.producerEpoch, header.baseSequence], [7, 3, 11]);
      assert.equal(batchEndOffset(bytes), baseOffset + records.length);
      const times = records.map((record) => record.timestampMs || NOW);
      assert.equal(header.baseTimestamp, times[0]);
      assert.equal(header.maxTimestamp, Math.max(...times));
      const gunzip = (block: Uint8Array, max: number): Uint8Array =>
        new Uint8Array(gunzipBounded(block, max));
      const decoded = decodeBatch(bytes, { gunzip });
      assert.deepEqual(
        decoded,
        records.map((record, i) => ({
          offset: baseOffset + i,
          timestampMs: times[i],
          key: record.key ?? null,
          value: record.value,
          headers: record.headers ?? [],
        })),
      );
    }),
  );
});

test("a builder makes batch after batch, and says when one is full", () => {
  const builder = new BatchBuilder({ bytesMax: 300, recordsMax: 4 });
  const add = (length: number): boolean => builder.add({ value: new Uint8Array(length) }, NOW);
  assert.ok(add(1000), "an empty builder takes any legal record");
  assert.ok(!add(0));
  const large = builder.finish();
  assert.equal(large.length, validateBatch(large).batchLength + 12);
  for (let i = 0; i < 4; i++) assert.ok(add(3));
  assert.ok(!add(0), "four records are the most");
  assert.equal(builder.count, 4);
  const size = builder.size;
  const small = builder.finish();
  assert.equal(small.length, size);
  assert.equal(decodeBatch(small).length, 4);
  assert.ok(add(100));
  assert.ok(add(100));
  assert.ok(!add(100), "300 bytes are the most");
  assert.equal(decodeBatch(large).length, 1, "an earlier batch is not touched");
  builder.reset();
  assert.equal(builder.count, 0);
});

test("a record's size is known before it is copied", () => {
  fc.assert(
    fc.property(anyRecord, (record) => {
      const batch = encodeBatch([record], { nowMs: NOW });
      assert.ok(batch.length - BATCH_OVERHEAD_BYTES <= recordSize(record));
      assert.ok(recordBytes(record) <= batch.length - BATCH_OVERHEAD_BYTES);
    }),
  );
});

test("a record that may not enter is refused, and the batch is as it was", () => {
  const builder = new BatchBuilder({ recordBytesMax: 10 });
  const refuse = (record: RecordInput, code: ErrorCode): void => {
    assert.throws(() => builder.add(record, NOW), refused(code));
  };
  assert.ok(builder.add({ value: new Uint8Array(6), key: new Uint8Array(4) }, NOW));
  const size = builder.size;
  refuse({ value: new Uint8Array(7), key: new Uint8Array(4) }, "RECORD_TOO_LARGE");
  refuse(
    { value: null, headers: [{ key: "tenth", value: new Uint8Array(6) }] },
    "RECORD_TOO_LARGE",
  );
  refuse({ value: null, timestampMs: -1 }, "INVALID_ARGUMENT");
  refuse({ value: null, timestampMs: 1.5 }, "INVALID_ARGUMENT");
  const many = new Array(limits.recordHeadersMax + 1).fill({ key: "", value: null });
  refuse({ value: null, headers: many as [] }, "INVALID_ARGUMENT");
  assert.equal(builder.size, size);
  assert.equal(decodeBatch(builder.finish()).length, 1);
});

test("a stamp that has no room in a batch is refused", () => {
  const record = { value: null };
  for (const stamp of [
    { id: 1, epoch: 32768, sequence: 0 },
    { id: 1, epoch: 0, sequence: 2 ** 31 },
    { id: -2, epoch: 0, sequence: 0 },
  ]) {
    assert.throws(() => encodeBatch([record], { nowMs: NOW, stamp }), refused("INVALID_ARGUMENT"));
  }
});

test("more than one batch's worth is refused", () => {
  const large = { value: new Uint8Array(limits.recordBytesMax) };
  assert.throws(() => encodeBatch([large, large], { nowMs: NOW }), refused("BATCH_TOO_LARGE"));
});

test("stamping changes the two fields that only the leader knows", () => {
  const batch = encodeBatch([{ value: null }, { value: null }], { nowMs: NOW });
  stampBatch(batch, 2 ** 40 + 5, 9);
  const header = validateBatch(batch);
  assert.deepEqual([header.baseOffset, header.leaderEpoch], [2 ** 40 + 5, 9]);
  assert.equal(batchEndOffset(batch), 2 ** 40 + 7);
});

test("batches that stand one after the other are split, and a cut one is noticed", () => {
  const batches = ["a", "bb", "ccc"].map((word) =>
    encodeBatch([{ value: Buffer.from(word) }], { nowMs: NOW }),
  );
  const all = Buffer.concat(batches);
  assert.deepEqual(
    splitBatches(all).map((batch) => Buffer.from(batch)),
    batches.map((batch) => Buffer.from(batch)),
  );
  assert.throws(() => splitBatches(all.subarray(0, -1)), refused("CORRUPT_BATCH"));
  assert.deepEqual(splitBatches(new Uint8Array(0)), []);
});

test("a cursor walks a batch that stands within other bytes, from any offset", () => {
  const records = Array.from({ length: 10 }, (_, i) => ({ value: Uint8Array.of(i) }));
  const batch = encodeBatch(records, { nowMs: NOW, baseOffset: 100 });
  const surrounded = Buffer.concat([Buffer.alloc(7, 0xff), batch, Buffer.alloc(9, 0xff)]);
  const cursor = new RecordCursor();
  assert.deepEqual(cursor.open(surrounded, 7), readBatchHeader(batch));
  cursor.skipTo(99);
  cursor.skipTo(104);
  const seen: [number, number][] = [];
  while (cursor.next()) seen.push([cursor.offset, cursor.bytes[cursor.valueStart] as number]);
  assert.deepEqual(
    seen,
    [104, 105, 106, 107, 108, 109].map((offset) => [offset, offset - 100]),
  );
  cursor.open(surrounded, 7);
  cursor.skipTo(1000);
  assert.equal(cursor.next(), false);
});

test("with log-append time every record has the batch's largest time", () => {
  const batch = encodeBatch(
    [
      { value: null, timestampMs: 5 },
      { value: null, timestampMs: 9 },
    ],
    { nowMs: NOW },
  );
  const view = new DataView(batch.buffer);
  view.setInt16(21, 0x08);
  view.setUint32(17, crc32c(batch, 21));
  validateBatch(batch);
  assert.deepEqual(
    decodeBatch(batch).map((record) => record.timestampMs),
    [9, 9],
  );
});
