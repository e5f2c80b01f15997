/** What real agents sent: it is read without a rest, and written again byte for byte. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { decode } from "@msgpack/msgpack";
import type { PacketMessage } from "../gossip/index.ts";
import { decodeTags } from "./gossip-tags.ts";
import { encodeMessage } from "./gossip-message.ts";
import { decodePacket, encodePacket, inflateMessage } from "./gossip-packet.ts";
import { encodeStream, StreamReader } from "./gossip-stream.ts";
import { deflateLzw } from "./testing/lzw-encoder.ts";
import { serfFrames } from "./testing/serf-frames.ts";

const frames = serfFrames();
const packets = frames.filter(({ net }) => net === "udp");
const streams = frames.filter(({ net }) => net === "tcp");
const LAYERS = new Set(["crc", "lzw", "compound", "sealed"]);
/** Versions of a peer that understands checksums, and of one that does not. */
const WITH_CRC = Uint8Array.of(1, 5, 2, 2, 5, 5);
const kindOf = (message: PacketMessage): string =>
  message.kind === "user" ? message.message.kind : message.kind;

describe("packets of a real agent", () => {
  for (const { title, bytes, keyring, layers } of packets) {
    test(title, () => {
      const { messages, refused } = decodePacket(bytes, keyring);
      assert.deepEqual(refused, []);
      const kinds = layers.filter((layer) => !LAYERS.has(layer));
      const found = new Set(messages.map(kindOf));
      assert.deepEqual([...found].sort(), [...kinds].sort());
      if (layers.includes("sealed")) return;
      const parts = messages.map(encodeMessage);
      const versions = layers.includes("crc") ? WITH_CRC : undefined;
      if (!layers.includes("lzw")) {
        assert.deepEqual(Buffer.from(encodePacket({ parts, versions }, keyring)), bytes);
        return;
      }
      const inner = encodePacket({ parts, versions: undefined }, keyring);
      const packed = bytes.subarray(layers.includes("crc") ? 5 : 0);
      assert.deepEqual(Buffer.from(inflateMessage(packed, 1e5) ?? []), Buffer.from(inner));
      const { Buf } = decode(packed.subarray(1), { rawStrings: true }) as { Buf: Uint8Array };
      assert.deepEqual(deflateLzw(inner), Uint8Array.from(Buf));
    });
  }

  test("all kinds of messages are among them", () => {
    const all = new Set(packets.flatMap(({ layers }) => layers));
    const kinds = ["ping", "indirect-ping", "ack", "nack", "suspect", "alive", "dead"];
    const serf = ["join-intent", "leave-intent", "user-event", "query", "query-response", "relay"];
    for (const kind of [...kinds, ...serf, ...LAYERS]) assert.ok(all.has(kind), kind);
  });

  test("an alive message says what was on the agent's command line", () => {
    const frame = packets.find(({ layers }) => layers.join() === "crc,lzw,alive");
    assert.ok(frame);
    const [alive] = decodePacket(frame.bytes, frame.keyring).messages;
    assert.ok(alive?.kind === "alive");
    assert.deepEqual([...alive.address.ip], [127, 0, 0, 1]);
    assert.deepEqual([...alive.versions], [1, 5, 2, 2, 5, 5]);
    assert.deepEqual(decodeTags(alive.meta), { role: "x", long: "a".repeat(50) });
  });
});

describe("streams of a real agent", () => {
  for (const { title, bytes, keyring, layers } of streams) {
    test(`${title}, in one piece and byte by byte`, () => {
      const whole = new StreamReader(keyring).push(bytes);
      assert.ok(whole !== "more" && !("refused" in whole), JSON.stringify(whole));
      const kind = whole.kind === "push-pull" && whole.join ? "push-pull-join" : whole.kind;
      assert.equal(kind, layers.at(-1));
      const reader = new StreamReader(keyring);
      for (const byte of bytes.subarray(0, -1))
        assert.equal(reader.push(Uint8Array.of(byte)), "more");
      assert.deepEqual(reader.push(bytes.subarray(-1)), whole);
      if (layers.length === 1) assert.deepEqual(Buffer.from(encodeStream(whole, keyring)), bytes);
    });
  }
});
