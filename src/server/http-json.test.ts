import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ProglogError } from "../base/index.ts";
import { decodeBase64 } from "./http-base64.ts";
import { asWholeNumber, fieldOf, parseJson } from "./http-json.ts";
import type { JsonObject } from "./http-json.ts";

const DEPTH_MAX = 16;

function parse(text: string | Uint8Array): unknown {
  return parseJson(Buffer.from(text), DEPTH_MAX);
}

function invalid(sentence: RegExp): (error: unknown) => boolean {
  return (error) =>
    error instanceof ProglogError &&
    error.code === "INVALID_ARGUMENT" &&
    sentence.test(error.message);
}

describe("JSON of strangers", () => {
  const good = [
    "0",
    "-0",
    "null",
    "[]",
    "{}",
    ' { "a" : [ 1 , -2 , "x" ] } ',
    '"\\"[[[[[[[[[[[[[[[[[[[[[[["',
    '"\\\\"',
    '{"a\\\\\\"":"\\\\","b":[1]}',
    '"1.5e3 9007199254740993"',
    "9007199254740991",
    "-9007199254740991",
    '"ü€😀\\u0000"',
    `${"[".repeat(16)}${"]".repeat(16)}`,
  ];
  for (const text of good) {
    test(`taken: ${text}`, () => assert.deepEqual(parse(text), JSON.parse(text)));
  }

  const bad: readonly (readonly [text: string, sentence: RegExp])[] = [
    ["", /empty/],
    ["x", /not JSON/],
    ["{", /not JSON/],
    ['{"a":1}x', /not JSON/],
    ['"', /not JSON/],
    ['"\\', /not JSON/],
    ["NaN", /not JSON/],
    ["-", /not JSON/],
    ["Infinity", /not JSON/],
    ["01", /not JSON/],
    ["\ufeff{}", /not JSON/],
    ["9007199254740992", /2\^53/],
    ["9007199254740993", /2\^53/],
    ["-9007199254740993", /2\^53/],
    [`1${"0".repeat(400)}`, /2\^53/],
    ["1.5", /not a whole number/],
    ["1.0", /not a whole number/],
    ["0.99999999999999999999", /not a whole number/],
    ["9007199254740991.4", /not a whole number/],
    ["1e3", /not a whole number/],
    ["1E999", /not a whole number/],
    ['{"a":[{"b":9007199254740993}]}', /2\^53/],
    [`${"[".repeat(17)}${"]".repeat(17)}`, /nested deeper than 16/],
    [`${'{"a":'.repeat(17)}1${"}".repeat(17)}`, /nested deeper than 16/],
    [`${"[".repeat(10_000)}${"]".repeat(10_000)}`, /nested deeper than 16/],
    ['"\\""'.repeat(3) + "[".repeat(17), /nested deeper than 16/],
  ];
  for (const [text, sentence] of bad) {
    const name = text.length > 50 ? `${text.slice(0, 50)}… (${text.length})` : text;
    test(`refused: ${JSON.stringify(name)}`, () => {
      assert.throws(() => parse(text), invalid(sentence));
    });
  }

  test("bytes that are not UTF-8", () => {
    assert.throws(() => parse(Buffer.from([0x22, 0xff, 0x22])), invalid(/not UTF-8/));
    assert.throws(() => parse(Buffer.from('"ü"', "latin1")), invalid(/not UTF-8/));
  });

  test("a body of strings and quotes only is passed over once", () => {
    const text = `["${'\\"'.repeat(300_000)}"]`;
    assert.deepEqual(parse(text), ['"'.repeat(300_000)]);
    const slashes = `["${"\\".repeat(600_000)}"]`;
    assert.deepEqual(parse(slashes), ["\\".repeat(300_000)]);
  });

  test("what a client names __proto__ is only a name", () => {
    const object = parse('{"__proto__":{"offset":7},"constructor":{"prototype":{"x":1}}}');
    assert.equal(fieldOf(object as JsonObject, "offset"), undefined);
    assert.equal(fieldOf(object as JsonObject, "toString"), undefined);
    assert.equal(({} as { x?: unknown }).x, undefined);
  });
});

describe("whole numbers", () => {
  for (const [value, number] of [
    [0, 0],
    [-0, 0],
    [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
    ["0", 0],
    ["12", 12],
    ["9007199254740991", Number.MAX_SAFE_INTEGER],
  ] as const) {
    test(`taken: ${JSON.stringify(value)}`, () => {
      assert.ok(Object.is(asWholeNumber(value, "offset"), number));
    });
  }

  const refused = [
    ...[-1, 0.5, NaN, Infinity, 2 ** 53, null, undefined, true, [], [1], {}],
    ...["", " 1", "1 ", "-1", "+1", "01", "0x1", "1.0", "1e3", "١", "9007199254740992"],
    "9".repeat(100),
  ];
  for (const value of refused) {
    test(`refused: ${JSON.stringify(value)} (${typeof value})`, () => {
      assert.throws(() => asWholeNumber(value, "offset"), invalid(/"offset" is a whole number/));
    });
  }

  test("not above what is allowed", () => {
    assert.equal(asWholeNumber(7, "n", 7), 7);
    assert.throws(() => asWholeNumber(8, "n", 7), invalid(/from 0 to 7, not 8/));
  });
});

describe("base64", () => {
  test("what Buffer writes is read, padded or not", () => {
    for (let length = 0; length < 70; length++) {
      const bytes = Buffer.from(Array.from({ length }, (_, index) => (index * 37 + length) & 0xff));
      const text = bytes.toString("base64");
      assert.deepEqual(decodeBase64(text, "value"), bytes);
      assert.deepEqual(decodeBase64(text.replace(/=+$/, ""), "value"), bytes);
    }
  });

  test("bits that no byte needs are passed over, as in the book", () => {
    assert.deepEqual([...decodeBase64("BB", "value")], [4]);
  });

  const garbage = [
    ...["A", "AAAAA", "=", "==", "A=", "A==", "AA=", "AAA==", "AAAA=", "AAAA==", "AA===", "A=AA"],
    ...["!!!!", "not base64", "AA AA", "AA\nAA", " AAAA", "a-b_", "ŁŁŁŁ", "AAA\u0141", "ÀÀÀÀ"],
    "AAAA\0",
  ];
  for (const text of garbage) {
    test(`refused: ${JSON.stringify(text)}`, () => {
      assert.throws(() => decodeBase64(text, "value"), invalid(/"value" is not base64/));
    });
  }
});
