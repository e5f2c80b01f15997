/**
 * The layers of a UDP packet, outermost first: encryption, checksum, compression, compound, message.
 * Each may be missing; only the first is ours to insist on.
 */
import { crc32 } from "node:zlib";
import { assert, concatBytes, limits } from "../base/index.ts";
import type { OutgoingPacket, PacketMessage } from "../gossip/index.ts";
import type { Keyring } from "./gossip-keyring.ts";
import { SEAL_BYTES } from "./gossip-keyring.ts";
import { inflateLzw } from "./gossip-lzw.ts";
import { decodeMessage, TYPE } from "./gossip-message.ts";
import { decodeValue, Fields } from "./gossip-msgpack.ts";

/** Why a packet, or a part of one, was dropped. Each is a counter. */
export type Refusal =
  | "empty"
  | "labelled"
  | "undecryptable"
  | "checksum"
  | "compression"
  | "compound"
  | "nested"
  | "message";

export interface DecodedPacket {
  readonly messages: readonly PacketMessage[];
  /** What was dropped of it. */
  readonly refused: readonly Refusal[];
}

const CRC_BYTES = 5;
/** Peers that understand a checksum say so in their `pmax`. */
const CRC_SINCE = 5;
/** A compound within a compression, or the other way round: no peer sends more. */
const NESTING_MAX = 3;
const COMPOUND_PARTS_MAX = 255;

/** Bytes of a packet that are no parts. */
export function packetOverhead(keyring: Keyring): number {
  return CRC_BYTES + (keyring.isEmpty ? 0 : SEAL_BYTES);
}

export function encodePacket(
  { parts, versions }: Pick<OutgoingPacket, "parts" | "versions">,
  keyring: Keyring,
): Uint8Array {
  const [first] = parts;
  assert(first !== undefined, "a packet has a message");
  assert(parts.length <= COMPOUND_PARTS_MAX, "a compound has at most 255 parts");
  let packet = parts.length === 1 ? first : compound(parts);
  if ((versions?.[1] ?? 0) >= CRC_SINCE) packet = checksummed(packet);
  return keyring.isEmpty ? packet : keyring.seal(packet);
}

function compound(parts: readonly Uint8Array[]): Uint8Array {
  const head = Buffer.alloc(2 + 2 * parts.length);
  head[0] = TYPE.compound;
  head[1] = parts.length;
  parts.forEach((part, i) => head.writeUInt16BE(part.length, 2 + 2 * i));
  return concatBytes([head, ...parts]);
}

function checksummed(packet: Uint8Array): Uint8Array {
  const head = Buffer.alloc(CRC_BYTES);
  head[0] = TYPE.crc;
  head.writeUInt32BE(crc32(packet), 1);
  return concatBytes([head, packet]);
}

/** Takes a packet apart. Never throws, whatever the bytes. */
export function decodePacket(packet: Uint8Array, keyring: Keyring): DecodedPacket {
  const found = new Found();
  const plaintext = keyring.isEmpty ? packet : keyring.open(packet);
  if (packet[0] === TYPE.label) found.refused.push("labelled");
  else if (plaintext === undefined) found.refused.push("undecryptable");
  else if (plaintext[0] !== TYPE.crc) found.unwrap(plaintext, 0);
  else {
    const view = Buffer.from(plaintext.buffer, plaintext.byteOffset, plaintext.byteLength);
    const body = view.subarray(CRC_BYTES);
    const isWhole = view.length > CRC_BYTES && view.readUInt32BE(1) === crc32(body);
    if (isWhole) found.unwrap(body, 0);
    else found.refused.push("checksum");
  }
  return found;
}

/** What one packet held. */
class Found implements DecodedPacket {
  readonly messages: PacketMessage[] = [];
  readonly refused: Refusal[] = [];
  /** Bytes that may still come out of compressions, all of one packet together. */
  #inflatable: number = limits.gossipPacketInflatedBytesMax;

  unwrap(bytes: Uint8Array, depth: number): void {
    const type = bytes[0];
    if (type === undefined) this.refused.push("empty");
    else if (depth > NESTING_MAX) this.refused.push("nested");
    else if (type === TYPE.compound) this.#compound(bytes, depth);
    else if (type === TYPE.compress) this.#compressed(bytes, depth);
    else {
      const message = decodeMessage(bytes);
      if (message === undefined) this.refused.push("message");
      else this.messages.push(message);
    }
  }

  #compressed(bytes: Uint8Array, depth: number): void {
    const inflated = inflateMessage(bytes, this.#inflatable);
    if (inflated === undefined) {
      this.refused.push("compression");
      return;
    }
    this.#inflatable -= inflated.length;
    this.unwrap(inflated, depth + 1);
  }

  /** Of one that was cut short, the whole parts still count. */
  #compound(bytes: Uint8Array, depth: number): void {
    const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const count = view[1] ?? 0;
    let at = 2 + 2 * count;
    for (let i = 0; i < count; i++) {
      const length = at <= view.length ? view.readUInt16BE(2 + 2 * i) : Infinity;
      if (at + length > view.length) {
        this.refused.push("compound");
        return;
      }
      this.unwrap(view.subarray(at, at + length), depth + 1);
      at += length;
    }
  }
}

/** The inside of a compressed message; undefined when it is broken, or would be too large. */
export function inflateMessage(bytes: Uint8Array, bytesMax: number): Uint8Array | undefined {
  const fields = new Fields(decodeValue(bytes, 1));
  const isLzw = fields.uint("Algo") === 0;
  const packed = fields.bytes("Buf");
  return fields.isValid() && isLzw ? inflateLzw(packed, bytesMax) : undefined;
}
