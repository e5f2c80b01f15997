import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import fc from "fast-check";
import { limits, ProglogError, putU32 } from "../base/index.ts";
import type { Entry } from "../log/index.ts";
import { FRAME_HEAD_BYTES, FrameReader, RAFT_MAGIC, sealFrame } from "./peer-frame.ts";
import { decodeAnswer, decodeHello, encodeAnswer, encodeHello, REFUSALS } from "./peer-hello.ts";
import type { Hello, PeerIdentity } from "./peer-hello.ts";
import { laneOf } from "./peer-message.ts";
import { RaftCodec } from "./raft-codec.ts";
import { RAFT_LAYOUTS, OTHER_CODES } from "./raft-layout.ts";
import {
  ENDS,
  KINDS,
  logWire,
  peerMessage,
  raftMessage,
  recordsEntry,
} from "./testing/peer-messages.ts";

const codec = new RaftCodec<Entry>(logWire);

/** Bodies, cut out of a stream that comes in chunks of these lengths, again and again. */
function bodiesOf(stream: Uint8Array, chunks: readonly number[] = [stream.length]): Uint8Array[] {
  const reader = new FrameReader(limits.peerFrameBytesMax);
  const bodies: Uint8Array[] = [...reader.read(RAFT_MAGIC)];
  let at = 0;
  for (let turn = 0; at < stream.length; turn++) {
    const length = Math.max(1, chunks[turn % chunks.length] ?? 1);
    bodies.push(...reader.read(stream.subarray(at, at + length)));
    at += length;
  }
  return bodies;
}

function bytesOf(message: Parameters<typeof codec.encode>[0]): Buffer {
  const { parts, bytes } = codec.encode(message);
  const all = Buffer.concat(parts);
  assert.equal(all.length, bytes);
  return all;
}

/** Decodes or is refused; anything else is a crash. */
function survives(decode: () => unknown): "decoded" | "refused" {
  try {
    decode();
    return "decoded";
  } catch (error) {
    assert.ok(error instanceof ProglogError, String(error));
    return "refused";
  }
}

describe("messages between replicas as bytes", () => {
  for (const kind of KINDS) {
    test(`${kind} comes back as it was`, () => {
      const property = fc.property(raftMessage(kind), (message) => {
        const [body] = bodiesOf(bytesOf(message));
        assert.ok(body !== undefined);
        assert.deepEqual(plain(codec.decode(body, ENDS)), plain(message));
      });
      fc.assert(property, { numRuns: 50 });
    });
  }

  test("many in a row come back in order, however the stream is cut", () => {
    const property = fc.property(
      fc.array(peerMessage, { minLength: 1, maxLength: 5 }),
      fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 5 }),
      (messages, chunks) => {
        const bodies = bodiesOf(Buffer.concat(messages.map(bytesOf)), chunks);
        const decoded = bodies.map((body) => plain(codec.decode(body, ENDS)));
        assert.deepEqual(decoded, messages.map(plain));
      },
    );
    fc.assert(property, { numRuns: 100 });
  });

  test("an entry has the bytes that the log stores, and a large one is not copied", () => {
    const [small, large] = [recordsEntry(1, 10), recordsEntry(2, limits.peerCopyBytesMax + 1)];
    const entries = [small, large, recordsEntry(3, 7)];
    const { parts } = codec.encode({ kind: "fetchedEntries", ...ENDS, request: 1, entries });
    assert.ok(parts.includes(large.payload));
    const [body] = bodiesOf(Buffer.concat(parts));
    let at = 32;
    for (const entry of entries) {
      const read = logWire.read(body as Uint8Array, at);
      assert.deepEqual(plain(read.entry), plain(entry));
      at = read.end;
    }
    assert.equal(at, body?.length);
  });

  test("a frame is what the page about the format says, byte by byte", () => {
    const { from, to, log } = ENDS;
    const numbers = { index: 0x0102, hintIndex: 3, hintTerm: 4, damageId: 2 ** 40 };
    const message = {
      kind: "appendEntriesResponse",
      ...{ from, to, term: 5, rejected: true, ...numbers },
    } as const;
    const bytes = bytesOf({ kind: "raft", log, from, to, message, entries: [], freeBytes: 9 });
    const words = [
      ["38000000", "crc32"],
      ["15", "01", "0000", "00000000"],
      ["0500000000000000", "0900000000000000"],
      ["0201000000000000", "0300000000000000", "0400000000000000", "0000000000010000"],
    ];
    const checksum = bytes.subarray(4, 8).toString("hex");
    assert.equal(bytes.toString("hex"), words.flat().join("").replace("crc32", checksum));
  });

  test("the numbers of a kind stand in the order of the page about the format", () => {
    const page = readFileSync(new URL("../../docs/format.md", import.meta.url), "utf8");
    for (const [kind, { code, numbers, flag = "", tail }] of Object.entries(RAFT_LAYOUTS)) {
      const row = page.split("\n").find((line) => line.includes(`| \`${kind}\` `));
      const cells = row?.split("|").map((cell) => cell.trim().replaceAll("`", "")) ?? [];
      const isMarker = tail === "snapshot";
      const listed = isMarker ? "index, term, length of the configuration" : numbers.join(", ");
      const rest = isMarker ? "marker" : (tail ?? "");
      assert.deepEqual(cells, ["", String(code), kind, cells[3], listed, flag, rest, ""]);
      const lane = laneOf({ kind: "raft", message: { kind } } as never);
      assert.equal(cells[3], lane);
    }
  });

  test("of more entries than fit into a frame the first ones are sent", () => {
    const count = Math.ceil(limits.peerFrameBytesMax / logWire.headerBytes);
    const noops = Array.from({ length: count }, (_, at) => recordsEntry(at + 1, 0));
    const bytes = bytesOf({ kind: "fetchedEntries", ...ENDS, request: 1, entries: noops });
    assert.ok(bytes.length <= limits.peerFrameBytesMax);
    const message = codec.decode(bodiesOf(bytes)[0] as Uint8Array, ENDS);
    assert.ok(message.kind === "fetchedEntries");
    assert.ok(message.entries.length > count - 100 && message.entries.length < count);
    assert.equal(message.entries.at(-1)?.index, message.entries.length);
  });

  test("numbers on the wire are told apart, and are for ever", () => {
    const codes = [
      ...Object.values(RAFT_LAYOUTS).map(({ code }) => code),
      ...Object.values(OTHER_CODES),
    ];
    assert.equal(new Set(codes).size, codes.length);
    assert.deepEqual(codes, [...range(16, 29), 1, 2, 48, 49, 50, 51]);
  });

  test("kinds, flags and entries of another version are refused by name", () => {
    const [heartbeat] = fc.sample(raftMessage("heartbeat"), { numRuns: 1, seed: 1 });
    const body = bodiesOf(bytesOf(heartbeat as never))[0] as Uint8Array;
    for (const [at, value] of [
      [0, 200],
      [0, 0],
      [1, 2],
    ] as const) {
      const changed = Uint8Array.from(body);
      changed[at] = value;
      assert.throws(() => codec.decode(changed, ENDS), { code: "UNSUPPORTED_FORMAT" });
    }
    const entries = [{ ...recordsEntry(1, 1), type: 6 as never }];
    const fetched = bytesOf({ kind: "fetchedEntries", ...ENDS, request: 1, entries });
    const [unknown] = bodiesOf(fetched);
    assert.throws(() => codec.decode(unknown as never, ENDS), { code: "UNSUPPORTED_FORMAT" });
  });

  test("a number of entries that cannot be there is refused before there is room for them", () => {
    const fetched = bytesOf({ kind: "fetchedEntries", ...ENDS, request: 1, entries: [] });
    const body = bodiesOf(fetched)[0] as Uint8Array;
    putU32(body, 4, 0xffff_ffff);
    assert.throws(() => codec.decode(body, ENDS), { code: "CORRUPT_BATCH" });
  });

  test("a frame of no length, or beyond the limit, is refused by its first four bytes", () => {
    for (const length of [0, limits.peerFrameBytesMax, 0xffff_ffff]) {
      const head = new Uint8Array(FRAME_HEAD_BYTES);
      putU32(head, 0, length);
      assert.throws(() => bodiesOf(head), { code: "CORRUPT_BATCH" });
      assert.throws(() => bodiesOf(head, [3]), { code: "CORRUPT_BATCH" });
    }
  });

  test("10,000 changed frames: never a crash, and never past the checksum", () => {
    const outcomes = { decoded: 0, refused: 0 };
    const messages = fc.sample(peerMessage, { numRuns: 2_000, seed: 6 });
    const cuts = fc.sample(fc.tuple(fc.nat(), fc.nat(255), fc.nat(3)), { numRuns: 5, seed: 7 });
    for (const message of messages) {
      const bytes = bytesOf(message);
      for (const [place, value, manner] of cuts) {
        const changed = mutate(bytes, place, value, manner);
        const outcome = survives(() => {
          const bodies = bodiesOf(changed);
          for (const body of bodies) codec.decode(body, ENDS);
          // What is cut off, or comes after a whole frame, is only waited for.
          assert.ok(changed.equals(bytes) || manner >= 2 || bodies.length === 0);
        });
        outcomes[outcome] += 1;
      }
    }
    assert.equal(outcomes.decoded + outcomes.refused, 10_000);
    assert.ok(outcomes.refused > 3_000, JSON.stringify(outcomes));
  });

  test("10,000 changed bodies under a checksum that holds: decoded or refused", () => {
    const outcomes = { decoded: 0, refused: 0 };
    const messages = fc.sample(peerMessage, { numRuns: 2_000, seed: 8 });
    const cuts = fc.sample(fc.tuple(fc.nat(), fc.nat(255), fc.nat(3)), { numRuns: 5, seed: 9 });
    for (const message of messages) {
      const body = bytesOf(message).subarray(FRAME_HEAD_BYTES);
      for (const [place, value, manner] of cuts) {
        const changed = mutate(body, place % 120, value, manner);
        outcomes[survives(() => codec.decode(changed, ENDS))] += 1;
      }
    }
    assert.equal(outcomes.decoded + outcomes.refused, 10_000);
    assert.ok(outcomes.refused > 3_000 && outcomes.decoded > 500, JSON.stringify(outcomes));
  });
});

describe("the first words", () => {
  const identity: fc.Arbitrary<PeerIdentity> = fc.record({
    clusterName: fc.constantFrom("proglog", ""),
    clusterId: fc.constantFrom("", "0123456789abcdef0123456789abcdef"),
    name: fc.string({ unit: "grapheme", maxLength: 20 }),
    replicaId: fc.maxSafeNat(),
    featureLevelMax: fc.nat(2 ** 32 - 1),
    damaged: fc.boolean(),
  });
  const hello: fc.Arbitrary<Hello> = fc
    .record({
      protocolMin: fc.nat(100),
      more: fc.nat(100),
      lane: fc.constantFrom("control" as const, "data" as const),
      from: identity,
      to: fc.record({ name: fc.constant("b"), replicaId: fc.maxSafeNat() }),
      log: fc.constant("default"),
    })
    .map(({ more, ...rest }) => ({ ...rest, protocolMax: rest.protocolMin + more }));
  const body = (frame: { readonly parts: readonly Uint8Array[] }): Uint8Array =>
    bodiesOf(Buffer.concat(frame.parts).subarray(RAFT_MAGIC.length))[0] as Uint8Array;

  test("hello and welcome come back as they were, also with more behind them", () => {
    const property = fc.property(hello, fc.uint8Array({ maxLength: 9 }), (value, later) => {
      const said = body(encodeHello(value));
      assert.deepEqual(plain(decodeHello(said)), plain(value));
      assert.deepEqual(plain(decodeHello(Buffer.concat([said, later]))), plain(value));
      const welcome = { kind: "welcome", protocol: 1, from: value.from } as const;
      assert.deepEqual(plain(decodeAnswer(body(encodeAnswer(welcome)))), plain(welcome));
    });
    fc.assert(property);
  });

  test("refusals have their numbers, and those of a later version are some other", () => {
    for (const [place, refusal] of REFUSALS.entries()) {
      const refused = { kind: "refused", refusal, text: "because" } as const;
      const bytes = body(encodeAnswer(refused));
      assert.equal(bytes[0], place + 1);
      assert.deepEqual(decodeAnswer(bytes), refused);
    }
    const later = Uint8Array.of(77, 0, 1, 0, 120);
    assert.deepEqual(decodeAnswer(later), { kind: "refused", refusal: "other", text: "x" });
  });

  test("changed, cut or random first words never crash", () => {
    const [said] = fc
      .sample(hello, { numRuns: 1, seed: 3 })
      .map((value) => body(encodeHello(value)));
    const property = fc.property(fc.nat(), fc.nat(255), fc.nat(3), (place, value, manner) => {
      const changed = mutate(Buffer.from(said as Uint8Array), place, value, manner);
      survives(() => decodeHello(changed));
      survives(() => decodeAnswer(changed));
    });
    fc.assert(property, { numRuns: 2_000 });
    const random = fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      survives(() => decodeHello(bytes));
      survives(() => decodeAnswer(bytes));
    });
    fc.assert(random, { numRuns: 2_000 });
  });

  test("a frame that was sealed in parts is the same as one in one part", () => {
    const [one, two] = [new Uint8Array(12).fill(1), new Uint8Array(5).fill(2)];
    const apart = Buffer.concat(sealFrame([one.slice(), two]).parts);
    const together = Buffer.concat(sealFrame([Buffer.concat([one, two])]).parts);
    assert.deepEqual(apart, together);
  });
});

/** One byte changed, some taken out, some cut off, or some put behind. */
function mutate(bytes: Buffer, place: number, value: number, manner: number): Buffer {
  const at = place % bytes.length;
  const changed = Buffer.from(bytes);
  if (manner === 0) changed[at] = value;
  else if (manner === 1) return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)]);
  else if (manner === 2) return changed.subarray(0, at);
  else return Buffer.concat([bytes, Buffer.alloc(1 + (value % 50), value)]);
  return changed;
}

/** Payloads as plain arrays of bytes: a view of a Buffer is the same as bytes of its own. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]));
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, at) => from + at);
}
