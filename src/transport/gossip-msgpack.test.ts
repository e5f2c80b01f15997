import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { decode, encode } from "@msgpack/msgpack";
import fc from "fast-check";
import { limits } from "../base/index.ts";
import { decodeValue, encodeValue, Fields, MsgpackReader } from "./gossip-msgpack.ts";
import type { Encodable, Value } from "./gossip-msgpack.ts";

const text = fc.string({ unit: "grapheme-composite", maxLength: 40 });
/** The other library refuses this one, lest an object's prototype be set. */
const key = text.filter((name) => name !== "__proto__");
const leaf = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.maxSafeNat(),
  fc.integer({ min: -(2 ** 40), max: -1 }),
  text,
);
const { tree } = fc.letrec<{ tree: Encodable }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 3 },
    leaf,
    fc.array(tie("tree"), { maxLength: 20 }),
    fc.dictionary(key, tie("tree"), { maxKeys: 20, noNullPrototype: true }),
  ),
}));

/** As the other library shows it: raw is text there, and maps are objects. */
function plain(value: Value | undefined): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("utf8");
  if (Array.isArray(value)) return (value as readonly Value[]).map(plain);
  if (value instanceof Map) {
    return Object.fromEntries(
      [...(value as ReadonlyMap<string, Value>)].map(([k, v]) => [k, plain(v)]),
    );
  }
  return value;
}

describe("msgpack", () => {
  test("what is written, another library reads", () => {
    fc.assert(
      fc.property(tree, (value) => {
        assert.deepEqual(decode(encodeValue(value)), value);
      }),
      { numRuns: 300 },
    );
  });

  test("what another library writes (str8, signed, floats) is read", () => {
    fc.assert(
      fc.property(tree, (value) => {
        assert.deepEqual(plain(decodeValue(encode(value))), value);
      }),
      { numRuns: 300 },
    );
    assert.equal(decodeValue(encode(1.5)), 1.5);
    assert.equal(decodeValue(Uint8Array.of(0xca, 0x3f, 0x80, 0, 0)), 1);
    assert.equal(decodeValue(Uint8Array.of(0xd1, 0xff, 0x00)), -256);
    assert.equal(decodeValue(Buffer.from("cfffffffffffffffff", "hex")), 2n ** 64n - 1n);
  });

  test("any beginning of a value asks for more, and any rest is left", () => {
    fc.assert(
      fc.property(tree, fc.uint8Array({ maxLength: 5 }), (value, rest) => {
        const bytes = encodeValue(value);
        for (let length = 0; length < bytes.length; length++) {
          const reader = new MsgpackReader(bytes.subarray(0, length));
          reader.value();
          assert.equal(reader.state, "more");
        }
        const reader = new MsgpackReader(Buffer.concat([bytes, rest]));
        reader.value();
        assert.deepEqual([reader.state, reader.at], ["ok", bytes.length]);
      }),
      { numRuns: 30 },
    );
  });

  test("raw keeps any bytes, whatever its head", () => {
    for (const length of [0, 31, 32, 255, 256, 70_000]) {
      const bytes = Buffer.alloc(length, 0xff);
      const written = encodeValue(bytes);
      assert.deepEqual(decodeValue(written), bytes);
      // Heads that the older peers do not know.
      assert.ok(![0xc4, 0xc5, 0xc6, 0xd9].includes(written[0] ?? 0));
      assert.deepEqual(decodeValue(encode(bytes)), bytes);
    }
  });

  test("nonsense is bad, not more: reserved bytes, extensions, keys that are no text, nesting", () => {
    const nested = Buffer.alloc(50, 0x91);
    for (const bytes of [
      [0xc1],
      [0xd4, 0, 0],
      [0x81, 0x01, 0x01],
      [0x81, 0xa1, 0xff, 0x01],
      nested,
    ]) {
      const reader = new MsgpackReader(Uint8Array.from(bytes));
      reader.value();
      assert.equal(reader.state, "bad");
    }
  });

  test("a message of more values than any honest one has is none, however few bytes they take", () => {
    const count = Buffer.alloc(4);
    count.writeUInt32BE(limits.gossipValuesMax);
    for (const head of [0xdd, 0xdf]) {
      const elements = Buffer.alloc(2 * limits.gossipValuesMax, head === 0xdd ? 0xc0 : 0xa0);
      const reader = new MsgpackReader(Buffer.concat([Uint8Array.of(head), count, elements]));
      reader.value();
      assert.equal(reader.state, "bad");
    }
  });

  test("a count of four billion costs nothing", () => {
    for (const head of ["ddffffffff", "dfffffffff", "dbffffffff"]) {
      assert.equal(decodeValue(Buffer.from(head, "hex")), undefined);
    }
  });
});

describe("fields of a struct", () => {
  const fields = (value: Encodable): Fields => new Fields(decodeValue(encodeValue(value)));

  test("nil and missing are zero, unknown is skipped", () => {
    const empty = fields({ A: null, Unknown: [1, { x: "y" }] });
    assert.deepEqual(
      [empty.text("A"), empty.uint("B"), empty.flag("C"), empty.list("D"), empty.bytes("A").length],
      ["", 0, false, [], 0],
    );
    assert.ok(empty.isValid());
  });

  test("bytes come as raw, as bin, or as an array of numbers", () => {
    assert.deepEqual([...fields({ A: [1, 2, 255] }).bytes("A")], [1, 2, 255]);
    const bad = fields({ A: [1, 256] });
    bad.bytes("A");
    assert.ok(!bad.isValid());
  });

  test("another type than asked for is told", () => {
    const wrong: ((f: Fields) => unknown)[] = [
      (f) => f.text("A"),
      (f) => f.flag("A"),
      (f) => f.uint("A"),
      (f) => f.uint("B", 100),
      (f) => f.map("B"),
      (f) => f.struct("B"),
      (f) => f.texts("A"),
      (f) => f.text("C"),
    ];
    for (const ask of wrong) {
      const some = fields({ A: [1], B: 101, C: Uint8Array.of(0xff) });
      ask(some);
      assert.ok(!some.isValid(), String(ask));
    }
  });
});
