/**
 * One message of a TCP stream, read as its bytes come. A peer does not close its half after a message,
 * so the message itself must say where it ends: a push/pull is a header, so many rows, and so many
 * bytes of Serf's state.
 */
import { limits } from "../base/index.ts";
import type { MemberRow, MemberState, PushPull, StreamMessage } from "../gossip/index.ts";
import type { Keyring } from "./gossip-keyring.ts";
import { SEAL_BYTES } from "./gossip-keyring.ts";
import { addressOf, decodeFields, encodeMessage, typed, TYPE } from "./gossip-message.ts";
import { encodeValue, Fields, MsgpackReader } from "./gossip-msgpack.ts";
import type { Value } from "./gossip-msgpack.ts";
import { inflateMessage } from "./gossip-packet.ts";
import { decodeSerf, decodeSerfState, encodeSerfState } from "./gossip-serf.ts";

/** In the order of their numbers on the wire. */
const STATES: readonly MemberState[] = ["alive", "suspect", "dead", "left"];
const U32 = 0xffff_ffff;
/** Type byte, and the length of what follows. */
const SEALED_HEAD_BYTES = 5;

/** A message as a stream carries it. With a key, its head is authenticated too. */
export function encodeStream(message: StreamMessage, keyring: Keyring): Uint8Array {
  const plain = encodePlain(message);
  if (keyring.isEmpty) return plain;
  const head = Buffer.alloc(SEALED_HEAD_BYTES);
  head[0] = TYPE.encrypt;
  head.writeUInt32BE(SEAL_BYTES + plain.length, 1);
  return Buffer.concat([head, keyring.seal(plain, head)]);
}

function encodePlain(message: StreamMessage): Uint8Array {
  if (message.kind === "push-pull") return encodePushPull(message);
  const encoded = encodeMessage(message);
  if (message.kind !== "user") return encoded;
  const inner = encoded.subarray(1);
  const head = encodeValue({ UserMsgLen: inner.length });
  return typed(TYPE.user, Buffer.concat([head, inner]));
}

function encodePushPull({ join, members, serf }: PushPull): Uint8Array {
  const state = serf === undefined ? new Uint8Array(0) : encodeSerfState(serf);
  const head = { Join: join, Nodes: members.length, UserStateLen: state.length };
  const rows = members.map((row) =>
    encodeValue({
      Addr: row.address.ip,
      Incarnation: row.incarnation,
      Meta: row.meta,
      Name: row.name,
      Port: row.address.port,
      State: STATES.indexOf(row.state),
      Vsn: row.versions,
    }),
  );
  return typed(TYPE.pushPull, Buffer.concat([encodeValue(head), ...rows, state]));
}

/** `more`: the message is not whole yet. Text: why it never will be. */
export type StreamVerdict = StreamMessage | "more" | { readonly refused: string };

/** Gathers a stream's bytes up to a limit, and reads its one message. */
export class StreamReader {
  readonly #keyring: Keyring;
  #buffer: Buffer = Buffer.alloc(0);
  #length = 0;
  /** Of a push/pull in plaintext: what is already read. */
  #partial: PartialPushPull | undefined;
  readonly #patience = new Patience();

  constructor(keyring: Keyring) {
    this.#keyring = keyring;
  }

  /** Bytes that are held for this stream. */
  get heldBytes(): number {
    return this.#buffer.length;
  }

  /** Takes more bytes. To be called until it answers something else than `more`. */
  push(chunk: Uint8Array): StreamVerdict {
    if (this.#length + chunk.length > limits.gossipStreamBytesMax) return refused("too long");
    this.#append(chunk);
    const bytes = this.#buffer.subarray(0, this.#length);
    const first = bytes[0];
    if (first === undefined) return "more";
    if (first === TYPE.label) return refused("labelled");
    if (first === TYPE.encrypt) return this.#sealed(bytes);
    if (!this.#keyring.isEmpty) return refused("not encrypted");
    return this.#plain(bytes);
  }

  #sealed(bytes: Buffer): StreamVerdict {
    if (this.#keyring.isEmpty) return refused("encrypted, and there is no key");
    if (bytes.length < SEALED_HEAD_BYTES) return "more";
    const length = bytes.readUInt32BE(1);
    if (length > limits.gossipStreamBytesMax - SEALED_HEAD_BYTES) return refused("too long");
    if (bytes.length < SEALED_HEAD_BYTES + length) return "more";
    const head = bytes.subarray(0, SEALED_HEAD_BYTES);
    const body = bytes.subarray(SEALED_HEAD_BYTES, SEALED_HEAD_BYTES + length);
    const plain = this.#keyring.open(body, head);
    if (plain === undefined) return refused("encrypted with another key");
    return whole(this.#plain(plain));
  }

  #plain(bytes: Uint8Array): StreamVerdict {
    if (bytes[0] !== TYPE.compress) return this.#message(bytes);
    const reader = new MsgpackReader(bytes, 1);
    reader.value();
    if (reader.state === "more") return this.#patience.more(reader.at);
    const packed = bytes.subarray(0, reader.at);
    const inflated = inflateMessage(packed, limits.gossipStreamInflatedBytesMax);
    if (inflated === undefined) return refused("compression");
    return whole(this.#message(inflated));
  }

  #message(bytes: Uint8Array): StreamVerdict {
    const type = bytes[0];
    if (type === TYPE.pushPull) {
      this.#partial ??= new PartialPushPull(this.#patience);
      return this.#partial.read(bytes);
    }
    const reader = new MsgpackReader(bytes, 1);
    const value = reader.value();
    if (reader.state === "more") return this.#patience.more(reader.at);
    const fields = new Fields(value);
    if (reader.state === "bad" || !fields.isValid()) return refused("message");
    if (type === TYPE.user) return userMessage(bytes, reader.at, fields);
    if (type === TYPE.error) return { kind: "error", text: fields.text("Error").slice(0, 1_024) };
    const isKnown = type === TYPE.ping || type === TYPE.ack;
    const message = isKnown ? decodeFields(type, fields) : undefined;
    const isRight = message?.kind === "ping" || message?.kind === "ack";
    return isRight && fields.isValid() ? message : refused("message");
  }

  #append(chunk: Uint8Array): void {
    const needed = this.#length + chunk.length;
    if (needed > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.#buffer.length, 1_024));
      this.#buffer.copy(larger, 0, 0, this.#length);
      this.#buffer = larger;
    }
    this.#buffer.set(chunk, this.#length);
    this.#length = needed;
  }
}

/** A value that is not whole is read again when more has come: a limit for those who send it byte by byte. */
class Patience {
  #readBytes = 0;

  more(bytes: number): "more" | { readonly refused: string } {
    this.#readBytes += bytes;
    const isOver = this.#readBytes > limits.gossipStreamRereadBytesMax;
    return isOver ? refused("too many pieces") : "more";
  }
}

function refused(text: string): { readonly refused: string } {
  return { refused: text };
}

/** Of a message that is all there, nothing more can come. */
function whole(verdict: StreamVerdict): StreamVerdict {
  return verdict === "more" ? refused("cut short") : verdict;
}

function userMessage(bytes: Uint8Array, at: number, fields: Fields): StreamVerdict {
  const length = fields.uint("UserMsgLen", limits.gossipStreamBytesMax);
  if (!fields.isValid()) return refused("message");
  if (bytes.length < at + length) return "more";
  const message = decodeSerf(bytes.subarray(at, at + length));
  return message === undefined ? refused("message") : { kind: "user", message };
}

/** A push/pull, row by row: a row that was read is not read again when more bytes come. */
class PartialPushPull {
  #at = 1;
  #head: { readonly rows: number; readonly stateBytes: number; readonly join: boolean } | undefined;
  #rowsRead = 0;
  readonly #rows: MemberRow[] = [];
  readonly #patience: Patience;

  constructor(patience: Patience) {
    this.#patience = patience;
  }

  read(bytes: Uint8Array): StreamVerdict {
    if (this.#head === undefined) {
      const fields = this.#next(bytes);
      if (fields === "more" || "refused" in fields) return fields;
      const rows = fields.uint("Nodes", limits.gossipRowsMax);
      const stateBytes = fields.uint("UserStateLen", limits.gossipSerfStateBytesMax);
      this.#head = { rows, stateBytes, join: fields.flag("Join") };
      if (!fields.isValid()) return refused("head of a push/pull");
    }
    const { rows, stateBytes, join } = this.#head;
    while (this.#rowsRead < rows) {
      const fields = this.#next(bytes);
      if (fields === "more" || "refused" in fields) return fields;
      this.#rowsRead += 1;
      const row = rowOf(fields);
      // One bad row must not keep everybody else's news away.
      if (row !== undefined) this.#rows.push(row);
    }
    if (bytes.length < this.#at + stateBytes) return "more";
    const serf = decodeSerfState(bytes.subarray(this.#at, this.#at + stateBytes));
    const message = { kind: "push-pull", join, members: this.#rows } as const;
    return serf === undefined ? message : { ...message, serf };
  }

  #next(bytes: Uint8Array): Fields | "more" | { readonly refused: string } {
    const reader = new MsgpackReader(bytes, this.#at);
    const value: Value = reader.value();
    if (reader.state === "more") {
      const isTooLong = bytes.length - this.#at > limits.gossipRowBytesMax;
      return isTooLong ? refused("row of a push/pull") : this.#patience.more(reader.at - this.#at);
    }
    const fields = new Fields(value);
    if (reader.state === "bad" || !fields.isValid()) return refused("row of a push/pull");
    this.#at = reader.at;
    return fields;
  }
}

function rowOf(fields: Fields): MemberRow | undefined {
  const address = addressOf(fields, "Addr", "Port");
  const state = STATES[fields.uint("State", STATES.length)];
  const name = fields.text("Name");
  const incarnation = fields.uint("Incarnation", U32);
  const own = { meta: fields.ownBytes("Meta"), versions: fields.ownBytes("Vsn") };
  if (address === undefined || state === undefined || !fields.isValid()) return undefined;
  return { name, address, incarnation, state, ...own };
}
