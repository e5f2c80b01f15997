import assert from "node:assert/strict";
import { test } from "node:test";
import type { DecodedRecord } from "../base/index.ts";
import { parseBase64, recordFromJson, recordToJson } from "./record-json.ts";

const bytes = (text: string): Buffer => Buffer.from(text, "latin1");

const RECORDS: readonly DecodedRecord[] = [
  { offset: 0, timestampMs: 0, key: null, value: bytes(""), headers: [] },
  { offset: 1, timestampMs: 7, key: bytes("k"), value: null, headers: [] },
  {
    offset: 2 ** 53 - 1,
    timestampMs: 1_700_000_000_000,
    key: bytes("\xff"),
    value: bytes('"\n\u0000'),
    headers: [
      { key: "ä", value: bytes("\x80") },
      { key: "", value: null },
    ],
  },
];

test("a record is the same after a line of JSON", () => {
  for (const { offset, ...record } of RECORDS) {
    const line = recordToJson({ offset, ...record });
    assert.ok(!line.includes("\n"));
    assert.equal((JSON.parse(line) as { offset: number }).offset, offset);
    const read = recordFromJson(Buffer.from(line), "line 1");
    assert.deepEqual({ headers: [], ...withoutUndefined(read) }, withoutNull(record));
  }
});

/** A key that is absent is null in a record of the log. */
function withoutNull({ key, ...rest }: Omit<DecodedRecord, "offset">): object {
  return key === null ? rest : { key, ...rest };
}

function withoutUndefined(value: object): object {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined));
}

test("what is no record is refused with its place", () => {
  for (const line of [
    "",
    "{",
    "[]",
    "null",
    "{}",
    '{"value":1}',
    '{"value":"a","value_base64":"YQ=="}',
    '{"value_base64":"*"}',
    '{"value_base64":7}',
    '{"value":"a","colour":"green"}',
    '{"value":"a","timestamp_ms":1.5}',
    '{"value":"a","headers":{}}',
    '{"value":"a","headers":[{"key":"k"}]}',
    '{"value":"a","headers":[{"value":"v"}]}',
  ]) {
    assert.throws(
      () => recordFromJson(Buffer.from(line), "line 3"),
      { code: "INVALID_ARGUMENT", message: /^line 3/ },
      line,
    );
  }
  assert.throws(() => recordFromJson(bytes('{"value":"\xff"}'), "line 3"), /is not UTF-8/);
});

test("base64 may be padded or not, and garbage is none", () => {
  assert.deepEqual(parseBase64("YQ==", "x"), bytes("a"));
  assert.deepEqual(parseBase64("YQ", "x"), bytes("a"));
  assert.deepEqual(parseBase64("", "x"), bytes(""));
  for (const text of ["Y", "YQ=", "YQ===", "Y=Q=", "YQ==YQ==", "Y Q=", "YQ-_", "=", undefined]) {
    assert.throws(() => parseBase64(text, "x"), { code: "INVALID_ARGUMENT" }, String(text));
  }
});
