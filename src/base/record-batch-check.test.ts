import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { gunzipBounded } from "../api/index.ts";
import {
  BATCH_OVERHEAD_BYTES,
  batchSizeAt,
  crc32c,
  decodeBatch,
  encodeBatch,
  type ErrorCode,
  limits,
  ProglogError,
  type ValidateBatchOptions,
  validateBatch,
} from "./index.ts";

const GUNZIP = { gunzip: gunzipBounded };
const text = (words: string): Uint8Array => new TextEncoder().encode(words);

const SMALL: Uint8Array = encodeBatch(
  [
    { value: text("one"), key: text("k"), headers: [{ key: "h", value: text("v") }] },
    { value: null },
    { value: text(""), timestampMs: 5 },
  ],
  { nowMs: 1_700_000_000_000, stamp: { id: 1, epoch: 0, sequence: 0 } },
);

function refusal(code: ErrorCode, sentence: RegExp = /./): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof ProglogError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, sentence);
    return true;
  };
}

/** The small batch with some fields changed, and the checksum made right again. */
function changed(...fields: ((view: DataView) => void)[]): Uint8Array {
  const copy = SMALL.slice();
  for (const change of fields) change(new DataView(copy.buffer));
  return sealed(copy);
}

function sealed(batch: Uint8Array): Uint8Array {
  new DataView(batch.buffer).setUint32(17, crc32c(batch, 21));
  return batch;
}

/** A batch whose header is the small one's and whose records are these bytes. */
function withRecords(count: number, records: Uint8Array, attributes = 0): Uint8Array {
  const batch = new Uint8Array(BATCH_OVERHEAD_BYTES + records.length);
  batch.set(SMALL.subarray(0, BATCH_OVERHEAD_BYTES));
  batch.set(records, BATCH_OVERHEAD_BYTES);
  const view = new DataView(batch.buffer);
  view.setInt32(8, batch.length - 12);
  view.setInt16(21, attributes);
  view.setInt32(23, count - 1);
  view.setInt32(57, count);
  return sealed(batch);
}

const attributes =
  (bits: number) =>
  (view: DataView): void =>
    view.setInt16(21, bits);
const lastDelta =
  (delta: number) =>
  (view: DataView): void =>
    view.setInt32(23, delta);
const count =
  (records: number) =>
  (view: DataView): void =>
    view.setInt32(57, records);

test("every flipped bit is refused, except in the two stamped fields", () => {
  for (let bit = 0; bit < 8 * SMALL.length; bit++) {
    const at = bit >>> 3;
    const flipped = SMALL.slice();
    flipped[at] = (flipped[at] as number) ^ (1 << (bit & 7));
    const stamped = at < 8 || (at >= 12 && at < 16);
    if (stamped) validateBatch(flipped);
    else assert.throws(() => validateBatch(flipped), refusal("CORRUPT_BATCH"), `bit ${bit}`);
  }
});

test("every cut and every added byte is refused", () => {
  for (let length = 0; length < SMALL.length; length++) {
    const cut = SMALL.subarray(0, length);
    assert.throws(() => validateBatch(cut), refusal("CORRUPT_BATCH"));
    assert.throws(() => decodeBatch(cut), refusal("CORRUPT_BATCH"));
    assert.throws(() => batchSizeAt(cut, 0), refusal("CORRUPT_BATCH"));
  }
  const longer = Uint8Array.from([...SMALL, 0]);
  assert.throws(() => validateBatch(longer), refusal("CORRUPT_BATCH"));
});

test("whatever a byte of the records is, there is a batch or an error with a code", () => {
  for (let at = BATCH_OVERHEAD_BYTES; at < SMALL.length; at++) {
    for (let byte = 0; byte < 256; byte++) {
      const bytes = changed((view) => view.setUint8(at, byte));
      try {
        validateBatch(bytes);
      } catch (error) {
        assert.ok(error instanceof ProglogError, String(error));
        assert.ok(["CORRUPT_BATCH", "INVALID_ARGUMENT"].includes(error.code), error.message);
      }
    }
  }
});

test("each rule of the header has its own sentence", () => {
  const huge = 0x7fffffff;
  const rules: [ErrorCode, RegExp, Uint8Array][] = [
    ["CORRUPT_BATCH", /magic 1/, changed((view) => view.setInt8(16, 1))],
    ["CORRUPT_BATCH", /says that it has 11 bytes/, changed((view) => view.setInt32(8, -1))],
    ["CORRUPT_BATCH", /last offset delta 3/, changed(lastDelta(3))],
    ["CORRUPT_BATCH", /bytes after/, changed(lastDelta(1), count(2))],
    ["CORRUPT_BATCH", /record 3 .* length/, changed(lastDelta(3), count(4))],
    ["INVALID_ARGUMENT", /at least one/, changed(lastDelta(-1), count(0))],
    ["INVALID_ARGUMENT", /transactional/, changed(attributes(0x10))],
    ["INVALID_ARGUMENT", /control/, changed(attributes(0x20))],
    ["INVALID_ARGUMENT", /unknown attributes/, changed(attributes(0x40))],
    ["INVALID_ARGUMENT", /time outside/, changed((view) => view.setInt32(27, huge))],
    ["INVALID_ARGUMENT", /time outside/, changed((view) => view.setInt32(35, huge))],
    ["INVALID_ARGUMENT", /producer stamp/, changed((view) => view.setInt16(51, -1))],
    ["INVALID_ARGUMENT", /producer id/, changed((view) => view.setInt32(43, huge))],
    ["UNSUPPORTED_COMPRESSION", /gzip/, changed(attributes(1))],
    ["UNSUPPORTED_COMPRESSION", /snappy/, changed(attributes(2))],
    ["UNSUPPORTED_COMPRESSION", /lz4/, changed(attributes(3))],
    ["UNSUPPORTED_COMPRESSION", /zstd/, changed(attributes(4))],
    ["UNSUPPORTED_COMPRESSION", /codec 7/, changed(attributes(7))],
  ];
  for (const [code, sentence, bytes] of rules) {
    assert.throws(() => validateBatch(bytes), refusal(code, sentence), String(sentence));
  }
});

test("each rule of a record has its own sentence", () => {
  // length, attributes, time delta, offset delta, key, value, headers; lengths are zigzag.
  const rules: [ErrorCode, RegExp, number[]][] = [
    ["CORRUPT_BATCH", /wrong length/, [14, 0, 0, 0, 1, 1, 0, 0]],
    ["CORRUPT_BATCH", /wrong length/, [11]],
    ["CORRUPT_BATCH", /wrong length/, [200]],
    ["CORRUPT_BATCH", /wrong offset delta/, [12, 0, 0, 2, 1, 1, 0]],
    ["CORRUPT_BATCH", /wrong key/, [12, 0, 0, 0, 3, 1, 0]],
    ["CORRUPT_BATCH", /wrong value/, [12, 0, 0, 0, 1, 3, 0]],
    ["CORRUPT_BATCH", /wrong header count/, [12, 0, 0, 0, 1, 2, 0]],
    ["CORRUPT_BATCH", /wrong header count/, [12, 0, 0, 0, 1, 1, 1]],
    ["CORRUPT_BATCH", /wrong header count/, [14, 0, 0, 0, 1, 1, 2, 0]],
    ["CORRUPT_BATCH", /wrong header$/, [16, 0, 0, 0, 1, 1, 2, 1, 1]],
    ["CORRUPT_BATCH", /wrong header$/, [16, 0, 0, 0, 1, 1, 2, 0, 2]],
    ["INVALID_ARGUMENT", /not UTF-8/, [18, 0, 0, 0, 1, 1, 2, 2, 0xff, 1]],
  ];
  for (const [code, sentence, record] of rules) {
    const bytes = withRecords(1, Uint8Array.from(record));
    assert.throws(() => validateBatch(bytes), refusal(code, sentence), String(record));
  }
  validateBatch(withRecords(1, Uint8Array.of(12, 0, 0, 0, 1, 1, 0)));
});

test("sizes have limits", () => {
  const rules: [ErrorCode, ValidateBatchOptions][] = [
    ["BATCH_TOO_LARGE", { bytesMax: SMALL.length - 1 }],
    ["BATCH_TOO_LARGE", { recordsMax: 2 }],
    ["RECORD_TOO_LARGE", { recordBytesMax: 5 }],
  ];
  for (const [code, options] of rules) {
    assert.throws(() => validateBatch(SMALL, options), refusal(code));
  }
  validateBatch(SMALL, { bytesMax: SMALL.length, recordsMax: 3, recordBytesMax: 6 });
  const headerCount = limits.recordHeadersMax + 1;
  const headers = [
    0,
    0,
    0,
    1,
    1,
    ...zigzag(headerCount),
    ...new Array<number>(2 * headerCount).fill(0),
  ];
  const many = Uint8Array.from([...zigzag(headers.length), ...headers]);
  const bytes = withRecords(
    1,
    many.map((byte) => byte),
  );
  assert.throws(() => validateBatch(bytes), refusal("INVALID_ARGUMENT", /headers/));
});

test("a gzip bomb is refused before it is inflated, and garbage for what it is", () => {
  const bomb = withRecords(1, gzipSync(new Uint8Array(limits.inflatedBatchBytesMax + 1)), 1);
  assert.ok(bomb.length < limits.batchBytesMax);
  assert.throws(() => validateBatch(bomb, GUNZIP), refusal("BATCH_TOO_LARGE", /inflates/));
  const block = gzipSync(SMALL.subarray(BATCH_OVERHEAD_BYTES));
  const small = { ...GUNZIP, inflatedBytesMax: 10 };
  const good = withRecords(3, block, 1);
  validateBatch(good, GUNZIP);
  assert.throws(() => validateBatch(good, small), refusal("BATCH_TOO_LARGE"));
  const garbage = [
    text("not gzip at all"),
    new Uint8Array(0),
    block.subarray(0, -1),
    Buffer.concat([block, Buffer.from([0])]),
    Buffer.concat([block, block]),
  ];
  for (const bytes of garbage) {
    assert.throws(() => validateBatch(withRecords(3, bytes, 1), GUNZIP), refusal("CORRUPT_BATCH"));
  }
  const broken = (): never => {
    throw new TypeError("no");
  };
  assert.throws(
    () => validateBatch(good, { gunzip: broken }),
    refusal("CORRUPT_BATCH", /inflated/),
  );
});

function zigzag(value: number): number[] {
  return 2 * value < 128 ? [2 * value] : [((2 * value) & 127) | 128, (2 * value) >> 7];
}
