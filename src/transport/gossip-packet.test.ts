import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Keyring } from "./gossip-keyring.ts";
import { encodeMessage, typed } from "./gossip-message.ts";
import { encodeValue } from "./gossip-msgpack.ts";
import { decodePacket, encodePacket } from "./gossip-packet.ts";
import { StreamReader } from "./gossip-stream.ts";
import { deflateLzw } from "./testing/lzw-encoder.ts";

const none = new Keyring([]);
const ring = new Keyring([Buffer.alloc(32, 1)]);
const nack = encodeMessage({ kind: "nack", sequence: 7 });
const packed = (inner: Uint8Array): Uint8Array =>
  typed(9, encodeValue({ Algo: 0, Buf: deflateLzw(inner) }));
const compound = (parts: readonly Uint8Array[]): Uint8Array =>
  encodePacket({ parts: [...parts, nack, nack], versions: undefined }, none);
const refusals = (packet: Uint8Array, keys = none): unknown => decodePacket(packet, keys).refused;

describe("packets that are not understood", () => {
  test("nothing, a label, another key, plaintext where a key is", () => {
    assert.deepEqual(refusals(new Uint8Array(0)), ["empty"]);
    assert.deepEqual(refusals(Uint8Array.of(244, 1, 65, ...nack)), ["labelled"]);
    assert.deepEqual(refusals(nack, ring), ["undecryptable"]);
    const sealed = encodePacket({ parts: [nack], versions: undefined }, ring);
    assert.deepEqual(refusals(sealed, new Keyring([Buffer.alloc(32, 2)])), ["undecryptable"]);
    assert.deepEqual(refusals(sealed), ["message"]);
  });

  test("a checksum that does not match, or stands alone", () => {
    const packet = encodePacket({ parts: [nack], versions: Uint8Array.of(1, 5, 2, 2, 5, 4) }, none);
    assert.deepEqual(refusals(packet), []);
    packet[6] = 9;
    assert.deepEqual(refusals(packet), ["checksum"]);
    assert.deepEqual(refusals(packet.subarray(0, 5)), ["checksum"]);
  });

  test("of a compound that was cut short the whole parts count", () => {
    const whole = compound([nack]);
    const { messages, refused } = decodePacket(whole.subarray(0, -1), none);
    assert.deepEqual([messages.length, refused], [2, ["compound"]]);
    assert.deepEqual(refusals(whole.subarray(0, 3)), ["compound"]);
  });

  test("a bomb is refused, alone, in pieces, and nested", () => {
    const bomb = packed(Buffer.alloc(10_000_000));
    assert.deepEqual(refusals(bomb), ["compression"]);
    const small = packed(typed(77, Buffer.alloc(60_000)));
    const { refused } = decodePacket(compound(Array<Uint8Array>(50).fill(small)), none);
    assert.deepEqual(refused.slice(0, 2), ["message", "compression"]);
    assert.equal(refused.length, 50);
    let nested = nack;
    for (let depth = 0; depth < 3; depth++) nested = packed(nested);
    assert.deepEqual(refusals(nested), []);
    assert.deepEqual(refusals(packed(nested)), ["nested"]);
  });

  test("a name of 64 KiB is read, and is the core's to refuse", () => {
    const name = "x".repeat(65_000);
    const [message] = decodePacket(
      encodeMessage({ kind: "ping", sequence: 1, name }),
      none,
    ).messages;
    assert.equal(message?.kind === "ping" ? message.name.length : 0, 65_000);
  });
});

describe("streams that are not understood", () => {
  const refused = (bytes: Uint8Array, keys = none): unknown => {
    const verdict = new StreamReader(keys).push(bytes);
    return verdict !== "more" && "refused" in verdict ? verdict.refused : verdict;
  };
  const head = (fields: Readonly<Record<string, number | boolean>>): Uint8Array =>
    typed(6, encodeValue(fields));

  test("a label, plaintext or a key where it does not belong, another key", () => {
    assert.equal(refused(Uint8Array.of(244)), "labelled");
    assert.equal(refused(nack, ring), "not encrypted");
    assert.match(String(refused(Uint8Array.of(10, 0, 0, 0, 1))), /no key/);
    const body = new Keyring([Buffer.alloc(32, 2)]).seal(nack);
    const sealed = Buffer.concat([Uint8Array.of(10, 0, 0, 0, body.length), body]);
    assert.match(String(refused(sealed, ring)), /another key/);
  });

  test("sizes that nobody has", () => {
    assert.equal(refused(Buffer.from("0affffffff", "hex"), ring), "too long");
    assert.match(String(refused(head({ Nodes: 1e9 }))), /head/);
    assert.match(String(refused(head({ Nodes: 1, UserStateLen: 1e9 }))), /head/);
    assert.match(
      String(refused(typed(9, encodeValue({ Algo: 0, Buf: deflateLzw(Buffer.alloc(3e7)) })))),
      /compression/,
    );
    const longRow = Buffer.concat([
      head({ Nodes: 1 }),
      Buffer.from("81a14edb00ffffff", "hex"),
      Buffer.alloc(70_000),
    ]);
    assert.match(String(refused(longRow)), /row/);
  });

  test("one that comes byte by byte has no more than a limit of work done for it", () => {
    const reader = new StreamReader(none);
    // A map that does not end, of empty arrays.
    const junk = Buffer.concat([
      Uint8Array.of(0, 0xdd, 0xff, 0xff, 0xff, 0xff),
      Buffer.alloc(20_000, 0x90),
    ]);
    let pieces = 0;
    for (const byte of junk) {
      pieces += 1;
      if (reader.push(Uint8Array.of(byte)) !== "more") break;
    }
    assert.ok(pieces < 5_000, String(pieces));
  });

  test("one bad row does not take the others with it; a state that is not Serf's is left out", () => {
    const row = { Addr: Buffer.alloc(4), Incarnation: 1, Name: "a", Port: 1, State: 0 };
    const bytes = Buffer.concat([
      head({ Nodes: 2, UserStateLen: 3, Join: true }),
      encodeValue({ ...row, Addr: Buffer.alloc(3) }),
      encodeValue(row),
      Buffer.from("xyz"),
    ]);
    const verdict = new StreamReader(none).push(bytes);
    assert.ok(verdict !== "more" && "kind" in verdict && verdict.kind === "push-pull");
    assert.deepEqual(
      verdict.members.map(({ name }) => name),
      ["a"],
    );
    assert.equal(verdict.serf, undefined);
  });
});
