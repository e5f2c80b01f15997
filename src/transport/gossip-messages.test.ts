/** Every message there is, written and read again; the captured frames hold only what agents happened to say. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type {
  Address,
  MemberRow,
  PacketMessage,
  QueryFilter,
  SerfMessage,
  SerfState,
  StreamMessage,
  Tags,
} from "../gossip/index.ts";
import { serfCodec } from "./gossip-codec.ts";
import { Keyring } from "./gossip-keyring.ts";
import { decodeMessage, encodeMessage } from "./gossip-message.ts";
import { decodePacket, encodePacket, packetOverhead } from "./gossip-packet.ts";
import { decodeSerf, encodeSerf } from "./gossip-serf.ts";
import { encodeStream, StreamReader } from "./gossip-stream.ts";

const text = fc.string({ unit: "grapheme-composite", maxLength: 20 });
const bytes = fc.uint8Array({ maxLength: 60 });
const u32 = fc.nat({ max: 0xffff_ffff });
const u16 = fc.nat({ max: 0xffff });
const time = fc.maxSafeNat();
const four = fc.uint8Array({ minLength: 4, maxLength: 4 });
const sixteen = fc.uint8Array({ minLength: 16, maxLength: 16 });
const address: fc.Arbitrary<Address> = fc.record({ ip: fc.oneof(four, sixteen), port: u16 });
const source = fc.record({ ip: four, port: fc.integer({ min: 1, max: 0xffff }), name: text });
const versions = fc.uint8Array({ minLength: 6, maxLength: 6 });
const tags: fc.Arbitrary<Tags> = fc.dictionary(text, text, { maxKeys: 8, noNullPrototype: true });
const is = <K extends string>(kind: K): fc.Arbitrary<K> => fc.constant(kind);

const filter: fc.Arbitrary<QueryFilter> = fc.oneof(
  fc.record({ kind: is("names"), names: fc.array(text) }),
  fc.record({ kind: is("tag"), tag: text, expression: text }),
);
const response = fc.record({
  kind: is("query-response"),
  time,
  id: u32,
  from: text,
  ack: fc.boolean(),
  payload: bytes,
});
const serfMessage: fc.Arbitrary<SerfMessage> = fc.oneof(
  fc.record({ kind: is("leave-intent"), time, name: text, prune: fc.boolean() }),
  fc.record({ kind: is("join-intent"), time, name: text }),
  fc.record({ kind: is("user-event"), time, name: text, payload: bytes, coalesce: fc.boolean() }),
  fc.record({
    kind: is("query"),
    time,
    id: u32,
    source: fc.record({ ip: four, port: u16, name: text }),
    filters: fc.array(filter, { maxLength: 4 }),
    ack: fc.boolean(),
    noBroadcast: fc.boolean(),
    relayFactor: fc.nat({ max: 255 }),
    timeoutMs: fc.nat({ max: 600_000 }),
    name: text,
    payload: bytes,
  }),
  response,
  fc.record({ kind: is("relay"), destination: source, message: response }),
  fc.record({
    kind: is("conflict-response"),
    member: fc.option(
      fc.record({
        name: text,
        address,
        tags,
        status: fc.constantFrom("alive" as const, "leaving", "left", "failed"),
        versions,
      }),
    ),
  }),
  fc.record({ kind: is("key-request"), key: bytes }),
  fc.record({
    kind: is("key-response"),
    ok: fc.boolean(),
    text,
    keys: fc.array(text),
    primaryKey: text,
  }),
);
const accusation = { incarnation: u32, name: text, from: text };
const asked = fc.record({ sequence: u32, name: text });
const withSource = fc.oneof(fc.constant({}), fc.record({ source }));
const packetMessage: fc.Arbitrary<PacketMessage> = fc.oneof(
  fc.tuple(asked, withSource).map(([a, s]) => ({ kind: "ping" as const, ...a, ...s })),
  fc
    .tuple(asked, fc.record({ target: address, nack: fc.boolean() }), withSource)
    .map(([a, t, s]) => ({ kind: "indirect-ping" as const, ...a, ...t, ...s })),
  fc.record({ kind: is("ack"), sequence: u32, payload: fc.option(bytes) }),
  fc.record({ kind: is("nack"), sequence: u32 }),
  fc.record({ kind: is("suspect"), ...accusation }),
  fc.record({ kind: is("dead"), ...accusation }),
  fc.record({ kind: is("alive"), incarnation: u32, name: text, address, meta: bytes, versions }),
  fc.record({ kind: is("user"), message: serfMessage }),
);
const row: fc.Arbitrary<MemberRow> = fc.record({
  name: text,
  address,
  meta: bytes,
  incarnation: u32,
  state: fc.constantFrom("alive" as const, "suspect", "dead", "left"),
  versions,
});
const event = fc.record({ name: text, payload: bytes });
const serfState: fc.Arbitrary<SerfState> = fc.record({
  kind: is("serf-state"),
  time,
  statusTimes: fc.array(fc.tuple(text, time), { maxLength: 5 }).map((pairs) => new Map(pairs)),
  leftNames: fc.array(text, { maxLength: 5 }),
  eventTime: time,
  events: fc.array(fc.record({ time, events: fc.array(event, { maxLength: 3 }) }), {
    maxLength: 4,
  }),
  queryTime: time,
});
const pushPull = fc.record({
  kind: is("push-pull"),
  join: fc.boolean(),
  members: fc.array(row, { maxLength: 8 }),
  serf: serfState,
});
const streamMessage: fc.Arbitrary<StreamMessage> = fc.oneof(
  pushPull,
  fc.record({ kind: is("ping"), sequence: u32, name: text }),
  fc.record({ kind: is("ack"), sequence: u32, payload: fc.option(bytes) }),
  fc.record({ kind: is("user"), message: serfMessage }),
  fc.record({ kind: is("error"), text }),
);
const key = fc.constantFrom(
  undefined,
  Buffer.alloc(16, 1),
  Buffer.alloc(24, 2),
  Buffer.alloc(32, 3),
);
const keyring = key.map((k) => new Keyring(k === undefined ? [] : [k]));

/** Views and buffers compare as what they hold. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  if (value instanceof Map) return [...value].map(plain);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.entries(value)
    .map(([name, field]) => [name, plain(field)])
    .sort();
}

describe("messages written and read", () => {
  test("in packets, alone", () => {
    fc.assert(
      fc.property(packetMessage, (message) => {
        assert.deepEqual(plain(decodeMessage(encodeMessage(message))), plain(message));
      }),
      { numRuns: 500 },
    );
  });

  test("a tag may have any name, also one that objects have by themselves", () => {
    const address = { ip: Uint8Array.of(127, 0, 0, 1), port: 7946 };
    const named = Object.fromEntries([
      ["__proto__", "a"],
      ["constructor", "b"],
    ]);
    const versions = Uint8Array.of(0, 0, 0, 0, 0, 0);
    const member = { name: "x", address, tags: named, status: "alive", versions } as const;
    const read = decodeSerf(encodeSerf({ kind: "conflict-response", member }));
    assert.ok(read?.kind === "conflict-response" && read.member !== null);
    assert.deepEqual(Object.entries(read.member.tags).sort(), Object.entries(named).sort());
  });

  test("of Serf, as a payload", () => {
    fc.assert(
      fc.property(serfMessage, (message) => {
        assert.deepEqual(plain(decodeSerf(encodeSerf(message))), plain(message));
      }),
      { numRuns: 300 },
    );
  });

  test("several in a packet, with and without checksum and key; its size is what was promised", () => {
    const messages = fc.array(packetMessage, { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(messages, fc.constantFrom(5, 4), keyring, (sent, pmax, ring) => {
        const parts = sent.map(encodeMessage);
        const packet = encodePacket({ parts, versions: Uint8Array.of(1, pmax, 2, 2, 5, 4) }, ring);
        const { messages: read, refused } = decodePacket(packet, ring);
        assert.deepEqual([plain(read), refused], [plain(sent), []]);
        const inside = parts.reduce((sum, part) => sum + 2 + part.length, 2);
        assert.ok(packet.length <= inside + packetOverhead(ring));
      }),
      { numRuns: 150 },
    );
  });

  test("on streams, in pieces", () => {
    fc.assert(
      fc.property(
        streamMessage,
        keyring,
        fc.integer({ min: 1, max: 50 }),
        (message, ring, size) => {
          const sent = encodeStream(message, ring);
          const reader = new StreamReader(ring);
          for (let at = 0; at + size < sent.length; at += size) {
            assert.equal(reader.push(sent.subarray(at, at + size)), "more");
          }
          const rest = sent.length % size || size;
          assert.deepEqual(plain(reader.push(sent.subarray(-rest))), plain(message));
        },
      ),
      { numRuns: 200 },
    );
  });

  test("tags, and what is none", () => {
    fc.assert(
      fc.property(tags, (sent) => {
        assert.deepEqual(serfCodec.decodeTags(serfCodec.encodeTags(sent)), sent);
      }),
    );
    const decodeTags = (meta: Uint8Array): Tags => serfCodec.decodeTags(meta);
    assert.deepEqual(decodeTags(new Uint8Array(0)), {});
    assert.deepEqual(decodeTags(Buffer.from("consul")), { role: "consul" });
    assert.deepEqual(Object.keys(decodeTags(Uint8Array.of(0xff, 0xc1))), ["role"]);
    const proto = decodeTags(serfCodec.encodeTags(JSON.parse('{"__proto__":"x"}') as Tags));
    assert.deepEqual(Object.entries(proto), [["__proto__", "x"]]);
  });
});

describe("messages that are refused", () => {
  const alive = { kind: "alive" as const, incarnation: 1, name: "a", meta: new Uint8Array(0) };
  test("an address of three bytes, an unknown type, a field of another type, two relays", () => {
    const ip = Uint8Array.of(1, 2, 3);
    const bad = encodeMessage({ ...alive, address: { ip, port: 1 }, versions: ip });
    assert.equal(decodeMessage(bad), undefined);
    assert.equal(decodeMessage(Uint8Array.of(77, 0x80)), undefined);
    assert.equal(
      decodeMessage(Uint8Array.of(11, 0x81, 0xa5, ...Buffer.from("SeqNo"), 0xa1, 1)),
      undefined,
    );
    const destination = { ip: Uint8Array.of(1, 2, 3, 4), port: 1, name: "a" };
    const inner = encodeSerf({
      kind: "relay",
      destination,
      message: { kind: "join-intent", time: 1, name: "x" },
    });
    const outer = Buffer.concat([inner.subarray(0, inner.indexOf(1, 30)), inner]);
    assert.equal(decodeSerf(outer), undefined);
  });
});
