/** The hand-written codecs against the generated ones, and against noise. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { decodeBatch, encodeBatch, ProglogError, RecordCursor } from "../base/index.ts";
import {
  ConsumeBatchResponseSchema,
  ConsumeRequestSchema,
  ConsumeResponseSchema,
  ProduceBatchRequestSchema,
  ProduceBatchResponseSchema,
  ProduceRequestSchema,
  ProduceResponseSchema,
} from "./gen/log/v1/log_pb.ts";
import * as api from "./index.ts";

const shape = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record(model, { noNullPrototype: true });
const RUNS = { numRuns: 300 };
const EDGES = [
  0,
  1,
  127,
  128,
  16383,
  16384,
  2 ** 21,
  2 ** 28 - 1,
  2 ** 28,
  2 ** 31,
  2 ** 32,
  2 ** 35,
];
const number = fc.oneof(
  fc.constantFrom(...EDGES, 2 ** 42 - 1, 2 ** 42, 2 ** 49, Number.MAX_SAFE_INTEGER),
  fc.maxSafeNat(),
);
const u32 = fc.oneof(fc.constantFrom(0, 1, 2 ** 31 - 1), fc.nat({ max: 2 ** 31 - 1 }));
const bytes = fc.uint8Array({ maxLength: 300 });
const text = fc.string({ unit: "grapheme", maxLength: 20 });
const headers = fc.array(shape({ key: text, value: bytes }), { maxLength: 4 });
const record = shape({ value: bytes, key: bytes, headers, timestampMs: number });

const key = (of: Uint8Array): Uint8Array | null => (of.length === 0 ? null : of);
const plain = (of: Uint8Array | null | undefined): number[] | null => (of ? [...of] : null);

interface AnyRecord {
  readonly value: Uint8Array | null;
  readonly key?: Uint8Array | null | undefined;
  readonly headers?:
    readonly { readonly key: string; readonly value: Uint8Array | null }[] | undefined;
  readonly timestampMs?: number | bigint | undefined;
}

/** A record of either codec in a form that can be compared. */
function comparable(from: AnyRecord): unknown {
  return {
    value: plain(from.value),
    key: plain(from.key?.length === 0 ? null : from.key),
    headers: (from.headers ?? []).map((header) => [header.key, plain(header.value)]),
    timestampMs: Number(from.timestampMs ?? 0),
  };
}

test("ProduceRequest: both codecs read what the other writes", () => {
  const stamp = shape({ id: number, epoch: u32, sequence: u32 });
  const request = shape({
    record,
    log: text,
    expectedOffset: fc.option(number, { nil: undefined }),
    stamp: fc.option(stamp, { nil: undefined }),
  });
  fc.assert(
    fc.property(request, (value) => {
      const ours = api.encodeProduceRequest({
        ...value,
        record: { ...value.record, key: key(value.record.key) },
      });
      const generated = fromBinary(ProduceRequestSchema, ours);
      assert.deepEqual(comparable(generated.record ?? { value: null }), comparable(value.record));
      assert.equal(generated.log, value.log);
      assert.equal(generated.expectedOffset, big(value.expectedOffset));
      assert.equal(generated.producer?.id, big(value.stamp?.id));
      assert.equal(generated.producer?.sequence, value.stamp?.sequence);

      const decoded = api.decodeProduceRequest(toBinary(ProduceRequestSchema, generated));
      assert.deepEqual(comparable(decoded.record), comparable(value.record));
      const { log, expectedOffset, stamp } = value;
      assert.deepEqual(
        { log: decoded.log, expectedOffset: decoded.expectedOffset, stamp: decoded.stamp },
        { log, expectedOffset, stamp },
      );
    }),
    RUNS,
  );
});

const big = (of: number | undefined): bigint | undefined => (of === undefined ? of : BigInt(of));

test("ProduceResponse: both directions", () => {
  const answer = shape({
    baseOffset: number,
    recordCount: fc.constant(1),
    term: number,
    timestampMs: fc.oneof(number, fc.maxSafeInteger()),
    duplicate: fc.boolean(),
  });
  fc.assert(
    fc.property(answer, (value) => {
      const ours = api.encodeProduceResponse(value);
      const generated = fromBinary(ProduceResponseSchema, ours);
      assert.equal(generated.offset, BigInt(value.baseOffset));
      assert.equal(generated.timestampMs, BigInt(value.timestampMs));
      assert.deepEqual(toBinary(ProduceResponseSchema, generated), new Uint8Array(ours));
      assert.deepEqual(api.decodeProduceResponse(ours), value);
    }),
    RUNS,
  );
});

test("ConsumeRequest: both directions, and offsets above 2^53−1 stay exact", () => {
  const request = shape({
    offset: number,
    log: text,
    linearizable: fc.boolean(),
    minOffset: fc.option(number, { nil: undefined }),
    maxRecords: number,
    maxBytes: number,
  });
  fc.assert(
    fc.property(request, (value) => {
      const ours = api.encodeConsumeRequest(value);
      const generated = fromBinary(ConsumeRequestSchema, ours);
      assert.deepEqual(toBinary(ConsumeRequestSchema, generated), new Uint8Array(ours));
      assert.equal(generated.offset, BigInt(value.offset));
      assert.equal(generated.minOffset, big(value.minOffset));
      assert.deepEqual(api.decodeConsumeRequest(ours), value);
    }),
    RUNS,
  );
  const beyond = fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n });
  fc.assert(
    fc.property(beyond, (offset) => {
      const sent = toBinary(
        ConsumeRequestSchema,
        create(ConsumeRequestSchema, { offset, minOffset: offset, maxRecords: offset }),
      );
      const decoded = api.decodeConsumeRequest(sent);
      assert.equal(decoded.offset, offset);
      assert.equal(decoded.minOffset, offset);
      assert.equal(decoded.maxRecords, Number.MAX_SAFE_INTEGER);
    }),
    RUNS,
  );
});

test("ConsumeResponse: both directions", () => {
  const served = shape({
    offset: number,
    term: number,
    value: bytes,
    key: bytes.map(key),
    headers,
    timestampMs: number,
  });
  fc.assert(
    fc.property(served, (value) => {
      const ours = api.encodeConsumeResponse(value);
      const generated = fromBinary(ConsumeResponseSchema, ours);
      assert.deepEqual(toBinary(ConsumeResponseSchema, generated), new Uint8Array(ours));
      assert.deepEqual(comparable(generated.record ?? { value: null }), comparable(value));
      assert.equal(generated.record?.offset, BigInt(value.offset));
      const decoded = api.decodeConsumeResponse(ours);
      assert.deepEqual(comparable(decoded), comparable(value));
      assert.equal(decoded.offset, value.offset);
      assert.equal(decoded.term, value.term);
    }),
    RUNS,
  );
});

test("ConsumeResponse: from a record in a batch as from a record", () => {
  const input = shape({
    value: fc.option(bytes),
    key: fc.option(bytes),
    headers,
    timestampMs: number,
  });
  fc.assert(
    fc.property(
      fc.array(input, { minLength: 1, maxLength: 5 }),
      number,
      u32,
      (records, at, term) => {
        const baseOffset = Math.min(at, Number.MAX_SAFE_INTEGER - records.length);
        const batch = encodeBatch(records, { nowMs: 1_000, baseOffset, leaderEpoch: term });
        const decoded = decodeBatch(batch);
        const cursor = new RecordCursor();
        const { leaderEpoch } = cursor.open(batch);
        for (const record of decoded) {
          assert.ok(cursor.next());
          assert.deepEqual(
            api.encodeConsumeResponseAt(cursor, leaderEpoch),
            api.encodeConsumeResponse({ ...record, term }),
          );
        }
      },
    ),
    RUNS,
  );
});

test("the messages of batches: both directions", () => {
  const request = shape({
    batch: bytes,
    log: text,
    expectedOffset: fc.option(number, { nil: undefined }),
  });
  fc.assert(
    fc.property(request, (value) => {
      const generated = fromBinary(ProduceBatchRequestSchema, api.encodeProduceBatchRequest(value));
      assert.deepEqual(plain(generated.batch), plain(value.batch));
      assert.equal(generated.expectedOffset, big(value.expectedOffset));
      const decoded = api.decodeProduceBatchRequest(api.encodeProduceBatchRequest(value));
      assert.deepEqual(
        { ...decoded, batch: plain(decoded.batch) },
        { ...value, batch: plain(value.batch) },
      );
    }),
    RUNS,
  );
  const answer = shape({
    baseOffset: number,
    recordCount: u32,
    term: number,
    duplicate: fc.boolean(),
  });
  fc.assert(
    fc.property(answer, (value) => {
      const ours = api.encodeProduceBatchResponse(value);
      const generated = fromBinary(ProduceBatchResponseSchema, ours);
      assert.deepEqual(toBinary(ProduceBatchResponseSchema, generated), new Uint8Array(ours));
      assert.deepEqual(api.decodeProduceBatchResponse(ours), value);
    }),
    RUNS,
  );
  fc.assert(
    fc.property(fc.array(bytes, { minLength: 1, maxLength: 4 }), number, (batches, mark) => {
      const ours = api.encodeConsumeBatchResponse(batches, mark);
      const generated = fromBinary(ConsumeBatchResponseSchema, ours);
      assert.deepEqual(
        [...generated.batches],
        batches.flatMap((batch) => [...batch]),
      );
      assert.equal(generated.highWatermark, BigInt(mark));
      const decoded = api.decodeConsumeBatchResponse(ours);
      assert.deepEqual([...decoded.batches], [...generated.batches]);
      assert.equal(decoded.highWatermark, mark);
    }),
    RUNS,
  );
});

const DECODERS = Object.entries({
  ...{ ProduceRequest: api.decodeProduceRequest, ProduceResponse: api.decodeProduceResponse },
  ...{ ConsumeRequest: api.decodeConsumeRequest, ConsumeResponse: api.decodeConsumeResponse },
  ProduceBatchRequest: api.decodeProduceBatchRequest,
  ProduceBatchResponse: api.decodeProduceBatchResponse,
  ConsumeBatchResponse: api.decodeConsumeBatchResponse,
  CreateProducerRequest: api.decodeCreateProducerRequest,
  CreateProducerResponse: api.decodeCreateProducerResponse,
  GetOffsetsRequest: api.decodeGetOffsetsRequest,
  GetOffsetsResponse: api.decodeGetOffsetsResponse,
  GetServersRequest: api.decodeGetServersRequest,
  GetServersResponse: api.decodeGetServersResponse,
});

for (const [name, decode] of DECODERS) {
  test(`${name}: noise is a value or INVALID_ARGUMENT`, () => {
    const small = fc.uint8Array({ maxLength: 40 });
    // Tags of known fields make noise go deeper.
    const tagged = fc
      .array(fc.tuple(fc.constantFrom(8, 10, 18, 16, 80, 82, 88, 90, 96, 98), small))
      .map((parts) => Uint8Array.from(parts.flatMap(([tag, rest]) => [tag, rest.length, ...rest])));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 100 }), tagged), (noise) => {
        try {
          decode(noise);
        } catch (error) {
          assert.ok(error instanceof ProglogError, String(error));
          assert.equal(error.code, "INVALID_ARGUMENT");
        }
      }),
      { numRuns: 1_000 },
    );
  });
}

const isInvalid = { name: "ProglogError", code: "INVALID_ARGUMENT" };

test("what is malformed is refused", () => {
  const whole = api.encodeProduceRequest({
    record: { value: Buffer.from("a record"), key: Buffer.from("k"), timestampMs: 5 },
    log: "default",
    expectedOffset: 7,
    stamp: { id: 1, epoch: 2, sequence: 3 },
  });
  const boundaries = new Set([17, 17 + 9, 17 + 9 + 2, 0]);
  for (let length = 0; length < whole.length; length++) {
    const cut = whole.subarray(0, length);
    if (boundaries.has(length) && length > 0) api.decodeProduceRequest(cut);
    else assert.throws(() => api.decodeProduceRequest(cut), isInvalid, `cut at ${length}`);
  }
  // Field 1 as a varint, a length of 2^35, a varint of eleven bytes, a group, field 0.
  for (const wrong of [
    [8, 1],
    [10, 0x80, 0x80, 0x80, 0x80, 0x80, 1],
    [80, ...new Array<number>(10).fill(0x80), 1],
    [11, 12],
    [0, 0],
  ]) {
    assert.throws(() => api.decodeProduceRequest(Uint8Array.from(wrong)), isInvalid);
  }
});

test("fields that are not known are passed over, repeated messages merge, the last value counts", () => {
  const first = api.encodeProduceRequest({
    record: { value: Buffer.from("one"), key: Buffer.from("k") },
    log: "a",
    expectedOffset: undefined,
    stamp: undefined,
  });
  const second = api.encodeProduceRequest({
    record: { value: Buffer.from("two") },
    log: "b",
    expectedOffset: undefined,
    stamp: undefined,
  });
  const unknown = [0xa0, 6, 1, 0xa1, 6, 1, 2, 3, 4, 5, 6, 7, 8, 0xa2, 6, 1, 9, 0xa5, 6, 1, 2, 3, 4];
  const decoded = api.decodeProduceRequest(Buffer.concat([first, Buffer.from(unknown), second]));
  assert.equal(Buffer.from(decoded.record.value ?? []).toString(), "two");
  assert.equal(Buffer.from(decoded.record.key ?? []).toString(), "k");
  assert.equal(decoded.log, "b");
});

test("the empty record is a record, and no record is none", () => {
  assert.equal(api.decodeProduceRequest(Uint8Array.of(10, 0)).record.value?.length, 0);
  assert.throws(() => api.decodeProduceRequest(new Uint8Array()), isInvalid);
  assert.throws(() => api.decodeProduceBatchRequest(new Uint8Array()), isInvalid);
});

test("decoded bytes are views of the message", () => {
  const message = api.encodeProduceBatchRequest({
    batch: Buffer.from("batch"),
    log: "",
    expectedOffset: undefined,
  });
  assert.equal(api.decodeProduceBatchRequest(message).batch.buffer, message.buffer);
});
