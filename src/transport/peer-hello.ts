/**
 * The first words on a connection between replicas, and the answer. Their layout stays as it is in
 * every version, because it is where versions are told apart; later fields are put behind these.
 */
import { getU32, getU64, limits, ProglogError, putU32, putU64 } from "../base/index.ts";
import type { ReplicaId } from "../raft/index.ts";
import { FRAME_HEAD_BYTES, RAFT_MAGIC, sealFrame } from "./peer-frame.ts";
import type { Frame } from "./peer-frame.ts";
import type { Lane } from "./peer-message.ts";

/** What ALPN calls the protocol. */
export const RAFT_ALPN = "proglog-raft";
/** The versions of the layout of messages that this build speaks. */
export const PEER_PROTOCOL = { min: 1, max: 1 } as const;

/** What a server says of itself to another one. */
export interface PeerIdentity {
  readonly clusterName: string;
  /** Empty: this server belongs to no cluster yet. */
  readonly clusterId: string;
  readonly name: string;
  readonly replicaId: ReplicaId;
  /** The highest feature level that its build can read. */
  readonly featureLevelMax: number;
  /** It may have lost what it once acknowledged. */
  readonly damaged: boolean;
}

export interface Hello {
  readonly protocolMin: number;
  readonly protocolMax: number;
  readonly lane: Lane;
  readonly from: PeerIdentity;
  /** Whom it wants to speak to; the id is 0 when it is not known yet. */
  readonly to: { readonly name: string; readonly replicaId: ReplicaId };
  readonly log: string;
}

/** Why a hello is turned away; in the order of their numbers on the wire, from 1. */
export const REFUSALS = [
  "protocol",
  "clusterName",
  "clusterId",
  "recipient",
  "replica",
  "identity",
  "log",
  "removed",
  "busy",
] as const;
export type Refusal = (typeof REFUSALS)[number];

export type HelloAnswer =
  | { readonly kind: "welcome"; readonly protocol: number; readonly from: PeerIdentity }
  | {
      readonly kind: "refused";
      /** `other`: a reason that a newer version knows. */
      readonly refusal: Refusal | "other";
      readonly text: string;
    };

export function encodeHello(hello: Hello): Frame {
  const { from, to } = hello;
  const writer = new Writer();
  writer.u16(hello.protocolMin);
  writer.u16(hello.protocolMax);
  writer.u8(hello.lane === "control" ? 0 : 1);
  writer.identity(from);
  writer.u64(to.replicaId);
  writer.text(to.name);
  writer.text(hello.log);
  return writer.frame();
}

/** Throws `CORRUPT_BATCH` on what is no hello. */
export function decodeHello(body: Uint8Array): Hello {
  const reader = new Reader(body);
  const [protocolMin, protocolMax, lane] = [reader.u16(), reader.u16(), reader.u8()];
  if (protocolMin > protocolMax || lane > 1) throw malformed();
  const from = reader.identity();
  const to = { replicaId: reader.u64(), name: reader.text() };
  const log = reader.text();
  return { protocolMin, protocolMax, lane: lane === 0 ? "control" : "data", from, to, log };
}

export function encodeAnswer(answer: HelloAnswer): Frame {
  const writer = new Writer();
  if (answer.kind === "welcome") {
    writer.u16(0);
    writer.u16(answer.protocol);
    writer.identity(answer.from);
  } else {
    writer.u16(REFUSALS.findIndex((refusal) => refusal === answer.refusal) + 1);
    writer.text(answer.text);
  }
  return writer.frame();
}

/** Throws `CORRUPT_BATCH` on what is no answer. */
export function decodeAnswer(body: Uint8Array): HelloAnswer {
  const reader = new Reader(body);
  const code = reader.u16();
  if (code !== 0) {
    return { kind: "refused", refusal: REFUSALS[code - 1] ?? "other", text: reader.text() };
  }
  return { kind: "welcome", protocol: reader.u16(), from: reader.identity() };
}

class Writer {
  readonly #bytes: Uint8Array = new Uint8Array(FRAME_HEAD_BYTES + limits.peerHelloBytesMax);
  #at = FRAME_HEAD_BYTES;

  u8(value: number): void {
    this.#bytes[this.#at++] = value;
  }

  u16(value: number): void {
    this.u8(value);
    this.u8(value >>> 8);
  }

  u64(value: number): void {
    putU64(this.#bytes, this.#at, value);
    this.#at += 8;
  }

  /** Length u16, then UTF-8; what is too long is cut. */
  text(text: string): void {
    const bytes = new TextEncoder().encode(text).subarray(0, limits.peerNameBytesMax);
    this.u16(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  identity(identity: PeerIdentity): void {
    this.u64(identity.replicaId);
    putU32(this.#bytes, this.#at, identity.featureLevelMax);
    this.#at += 4;
    this.u8(identity.damaged ? 1 : 0);
    this.text(identity.name);
    this.text(identity.clusterName);
    this.text(identity.clusterId);
  }

  frame(): Frame {
    const { parts, bytes } = sealFrame([this.#bytes.subarray(0, this.#at)]);
    return { parts: [RAFT_MAGIC, ...parts], bytes: RAFT_MAGIC.length + bytes };
  }
}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  u8(): number {
    return this.#take(1)[0] as number;
  }

  u16(): number {
    return this.u8() | (this.u8() << 8);
  }

  u64(): number {
    const value = getU64(this.#take(8), 0);
    if (!Number.isSafeInteger(value)) throw malformed();
    return value;
  }

  text(): string {
    const length = this.u16();
    if (length > limits.peerNameBytesMax) throw malformed();
    return Buffer.from(this.#take(length)).toString("utf8");
  }

  identity(): PeerIdentity {
    const replicaId = this.u64();
    const featureLevelMax = getU32(this.#take(4), 0);
    const damaged = this.u8() === 1;
    const [name, clusterName, clusterId] = [this.text(), this.text(), this.text()];
    return { replicaId, featureLevelMax, damaged, name, clusterName, clusterId };
  }

  #take(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#at) throw malformed();
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}

function malformed(): ProglogError {
  return new ProglogError("CORRUPT_BATCH", "the first words of a replica are malformed");
}
