import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { getUtf8, isUtf8, putUtf8, utf8Length } from "./utf8.ts";
import { putVarint, VarintReader, varintSize } from "./varint.ts";

const { MAX_SAFE_INTEGER, MIN_SAFE_INTEGER } = Number;

function readBack(bytes: readonly number[]): number {
  return new VarintReader(Uint8Array.from(bytes), 0, bytes.length).read();
}

test("every safe integer is read back, with the bytes that zigzag says", () => {
  const anySafe = fc.oneof(
    fc.integer({ min: -70_000, max: 70_000 }),
    fc.maxSafeInteger(),
    fc.constantFrom(0, -1, 63, 64, -64, -65, 2 ** 31, MAX_SAFE_INTEGER, MIN_SAFE_INTEGER),
  );
  fc.assert(
    fc.property(anySafe, (value) => {
      const bytes = new Uint8Array(12);
      const end = putVarint(bytes, 1, value);
      assert.equal(end - 1, varintSize(value));
      assert.deepEqual([...bytes.subarray(1, end)], zigzagBytes(value));
      const reader = new VarintReader(bytes, 1, end);
      assert.equal(reader.read(), value);
      assert.equal(reader.at, end);
    }),
    { numRuns: 1000 },
  );
});

test("what is cut short, too long or too large is not a number", () => {
  assert.ok(Number.isNaN(readBack([])));
  assert.ok(Number.isNaN(readBack([0x80])));
  assert.ok(Number.isNaN(readBack([0xff, 0xff])));
  assert.ok(Number.isNaN(readBack(new Array<number>(11).fill(0x80))));
  assert.ok(Number.isNaN(readBack([...new Array<number>(9).fill(0xff), 1])), "64 bits");
  assert.ok(Number.isNaN(readBack(zigzagBytes(2n ** 53n))));
});

test("UTF-8 lengths and bytes are TextEncoder's, lone surrogates included", () => {
  const anyText = fc.oneof(fc.string({ unit: "grapheme" }), fc.string({ unit: "binary" }));
  fc.assert(
    fc.property(
      fc.oneof(anyText, fc.constantFrom("\ud800", "a\udc00b", "\ud83d\ud83d\ude00")),
      (text) => {
        const expected = new TextEncoder().encode(text);
        assert.equal(utf8Length(text), expected.length);
        const bytes = new Uint8Array(expected.length + 2);
        assert.equal(putUtf8(bytes, 1, text, expected.length), expected.length + 1);
        assert.deepEqual(bytes.subarray(1, -1), expected);
        assert.ok(isUtf8(bytes, 1, bytes.length - 1));
        assert.equal(getUtf8(bytes, 1, bytes.length - 1), new TextDecoder().decode(expected));
      },
    ),
  );
  assert.ok(!isUtf8(Uint8Array.of(0x61, 0xff), 0, 2));
  assert.ok(!isUtf8(Uint8Array.of(0xc3), 0, 1));
});

function zigzagBytes(value: number | bigint): number[] {
  const wide = BigInt(value);
  let rest = wide < 0n ? -2n * wide - 1n : 2n * wide;
  const bytes: number[] = [];
  for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return [...bytes, Number(rest)];
}
