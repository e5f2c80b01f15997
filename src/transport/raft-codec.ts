/**
 * Messages between replicas as bytes: a fixed layout, little-endian, drawn in `docs/format.md`.
 *
 *     0 code u8   1 flags u8   2 small u16   4 count u32 (of entries)   8 term u64   16 free bytes u64
 *     24 the kind's own numbers, u64 each, then entries, a marker, or a payload up to the end
 *
 * Who sent it, to whom, and about which log is said once, in the hello of the connection: a message
 * cannot claim to come from somebody else.
 */
import {
  assert,
  decodeConfiguration,
  encodeConfiguration,
  getU32,
  getU64,
  limits,
  ProglogError,
  putU32,
  putU64,
} from "../base/index.ts";
import type { Message, ReplicaId, Snapshot } from "../raft/index.ts";
import { FRAME_HEAD_BYTES, sealFrame } from "./peer-frame.ts";
import type { Frame } from "./peer-frame.ts";
import type { LogWire, PeerMessage, RaftEnvelope } from "./peer-message.ts";
import { OTHER_CODES, RAFT_KINDS, RAFT_LAYOUTS } from "./raft-layout.ts";
import type { Layout } from "./raft-layout.ts";

const BODY_HEAD_BYTES = 24;
const AT = { code: 0, flags: 1, small: 2, count: 4, term: 8, freeBytes: 16 } as const;
const SMALL_MAX = 0xffff;
/** Leaves room for heads and numbers. */
const ENTRIES_BYTES_MAX = limits.peerFrameBytesMax - 1024;

/** What the hello of a connection has said for all messages on it. */
export interface Ends {
  readonly log: string;
  readonly from: ReplicaId;
  readonly to: ReplicaId;
}

/** The smallest part of an entry that the codec itself looks at. */
interface WithPayload {
  readonly payload: Uint8Array;
}

interface Head {
  readonly code: number;
  readonly flag?: boolean;
  readonly small?: number;
  readonly term?: number;
  readonly freeBytes?: number;
  readonly numbers: readonly number[];
}

export class RaftCodec<Entry extends WithPayload> {
  readonly #wire: LogWire<Entry>;

  constructor(wire: LogWire<Entry>) {
    this.#wire = wire;
  }

  /** Payloads of some size are parts of the frame as they are: they must not change until it is written. */
  encode(message: PeerMessage<Entry>): Frame {
    switch (message.kind) {
      case "raft":
        return this.#encodeRaft(message);
      case "fetchEntries": {
        const numbers = [message.request, message.fromIndex, message.toIndex];
        return sealFrame([headOf({ code: OTHER_CODES.fetchEntries, numbers })]);
      }
      case "fetchedEntries": {
        const head = { code: OTHER_CODES.fetchedEntries, numbers: [message.request] };
        return this.#withEntries(head, message.entries);
      }
      case "call": {
        const { call, method: small, payload } = message;
        return sealFrame([headOf({ code: OTHER_CODES.call, small, numbers: [call] }), payload]);
      }
      case "reply": {
        const { call, status: small, payload } = message;
        return sealFrame([headOf({ code: OTHER_CODES.reply, small, numbers: [call] }), payload]);
      }
    }
  }

  /**
   * The message in a frame's body; entries are views of it. Throws `UNSUPPORTED_FORMAT` for a kind or
   * an entry that this version does not know, `CORRUPT_BATCH` for bytes that no replica writes.
   */
  decode(body: Uint8Array, ends: Ends): PeerMessage<Entry> {
    const reader = new BodyReader(body);
    const { code, small } = reader;
    const kind = RAFT_KINDS.get(code);
    if (kind !== undefined) return this.#decodeRaft(reader, kind, ends);
    const { log, from, to } = ends;
    switch (code) {
      case OTHER_CODES.fetchEntries: {
        const [request, fromIndex, toIndex] = [reader.number(), reader.number(), reader.number()];
        reader.end();
        return { kind: "fetchEntries", log, from, to, request, fromIndex, toIndex };
      }
      case OTHER_CODES.fetchedEntries: {
        const request = reader.number();
        return { kind: "fetchedEntries", log, from, to, request, entries: this.#entries(reader) };
      }
      case OTHER_CODES.call: {
        const call = reader.number();
        return { kind: "call", log, from, to, call, method: small, payload: reader.rest() };
      }
      case OTHER_CODES.reply: {
        const call = reader.number();
        return { kind: "reply", log, from, to, call, status: small, payload: reader.rest() };
      }
      default:
        throw new ProglogError("UNSUPPORTED_FORMAT", `a message of unknown kind ${code}`);
    }
  }

  #encodeRaft({ message, entries, freeBytes }: RaftEnvelope<Entry>): Frame {
    const layout = RAFT_LAYOUTS[message.kind];
    const fields = message as unknown as Readonly<Record<string, number | boolean>>;
    const head: Head = {
      code: layout.code,
      flag: layout.flag !== undefined && fields[layout.flag] === true,
      term: message.term,
      freeBytes: Math.max(0, Math.min(Math.floor(freeBytes), Number.MAX_SAFE_INTEGER)),
      numbers: layout.numbers.map((name) => fields[name] as number),
    };
    if (message.kind === "installSnapshot") return this.#withSnapshot(head, message.snapshot);
    const own = "entries" in message ? message.entries.length : 0;
    assert(own === 0, "entries travel in the log's shape");
    assert(layout.tail === "entries" || entries.length === 0, "only some messages carry entries");
    return this.#withEntries(head, entries);
  }

  #decodeRaft(reader: BodyReader, kind: Message["kind"], ends: Ends): RaftEnvelope<Entry> {
    const layout: Layout = RAFT_LAYOUTS[kind];
    const { log, from, to } = ends;
    const fields: Record<string, unknown> = { kind, from, to, term: reader.term };
    for (const name of layout.numbers) fields[name] = reader.number();
    if (layout.flag !== undefined) fields[layout.flag] = reader.flag;
    let entries: readonly Entry[] = [];
    if (layout.tail === "snapshot") fields["snapshot"] = this.#snapshot(reader);
    else if (layout.tail === "entries") {
      fields["entries"] = [];
      entries = this.#entries(reader);
    } else reader.end();
    // The table names exactly the fields of this kind; the tests hold it against every kind.
    const message = fields as unknown as Message;
    return { kind: "raft", log, from, to, message, entries, freeBytes: reader.freeBytes };
  }

  /** Small payloads are copied beside their headers, large ones stand alone. */
  #withEntries(head: Head, all: readonly Entry[]): Frame {
    const { headerBytes } = this.#wire;
    const entries = this.#fitting(all);
    let bytes = 0;
    for (const { payload } of entries)
      bytes += headerBytes + (isSmall(payload) ? payload.length : 0);
    const copied = headOf(head, bytes, entries.length);
    const parts: [Uint8Array, ...Uint8Array[]] = [copied];
    let from = 0;
    let at = copied.length - bytes;
    for (const entry of entries) {
      const { payload } = entry;
      this.#wire.writeHeader(copied, at, entry);
      at += headerBytes;
      if (isSmall(payload)) {
        copied.set(payload, at);
        at += payload.length;
        continue;
      }
      if (from === 0) parts[0] = copied.subarray(0, at);
      else parts.push(copied.subarray(from, at));
      parts.push(payload);
      from = at;
    }
    if (from > 0 && at > from) parts.push(copied.subarray(from, at));
    return sealFrame(parts);
  }

  /**
   * Those that fit into a frame, at least one. The core weighs payloads alone, so that many tiny entries
   * may be more than it thinks; a message with fewer of them is as true, and the rest is asked for.
   */
  #fitting(entries: readonly Entry[]): readonly Entry[] {
    let room = ENTRIES_BYTES_MAX;
    for (const [at, { payload }] of entries.entries()) {
      room -= this.#wire.headerBytes + payload.length;
      if (room < 0) return entries.slice(0, Math.max(at, 1));
    }
    return entries;
  }

  #entries(reader: BodyReader): readonly Entry[] {
    const { body, count } = reader;
    if (count * this.#wire.headerBytes > body.length - reader.at) throw corrupt("its entries");
    const entries: Entry[] = [];
    for (let read = 0; read < count; read++) {
      const { entry, end } = this.#wire.read(body, reader.at);
      entries.push(entry);
      reader.at = end;
    }
    reader.end();
    return entries;
  }

  /** index u64 · term u64 · length of the configuration u64 · configuration · the marker up to the end */
  #withSnapshot(head: Head, { index, term, configuration, data }: Snapshot): Frame {
    const members = encodeConfiguration(configuration);
    const numbers = [index, term, members.length];
    return sealFrame([headOf({ ...head, numbers }), members, this.#wire.encodeMarker(data)]);
  }

  #snapshot(reader: BodyReader): Snapshot {
    const [index, term, membersBytes] = [reader.number(), reader.number(), reader.number()];
    const configuration = decodeConfiguration(reader.take(membersBytes));
    const { voters, votersOutgoing, learners, learnersNext } = configuration;
    for (const group of [voters, votersOutgoing, learners, learnersNext]) {
      if (group.length > limits.raftMembersMax) throw corrupt("its members");
    }
    return { index, term, configuration, data: this.#wire.decodeMarker(reader.rest()) };
  }
}

/** A frame that asks for a sign of life, and the one that gives it. */
export function pingFrame(code: "ping" | "pong"): Frame {
  return sealFrame([headOf({ code: OTHER_CODES[code], numbers: [] })]);
}

/** Whether a body is that of such a frame. */
export function isPing(body: Uint8Array, code: "ping" | "pong"): boolean {
  return body.length === BODY_HEAD_BYTES && body[AT.code] === OTHER_CODES[code];
}

function isSmall(payload: Uint8Array): boolean {
  return payload.length <= limits.peerCopyBytesMax;
}

/** A frame's first part: room for its head, the numbers, and `roomBytes` for entries. */
function headOf(head: Head, roomBytes = 0, count = 0): Uint8Array {
  const { code, flag = false, small = 0, term = 0, freeBytes = 0, numbers } = head;
  assert(small >= 0 && small <= SMALL_MAX, "a method or status has 16 bits");
  const start = FRAME_HEAD_BYTES;
  const bytes = new Uint8Array(start + BODY_HEAD_BYTES + 8 * numbers.length + roomBytes);
  bytes[start + AT.code] = code;
  bytes[start + AT.flags] = flag ? 1 : 0;
  bytes[start + AT.small] = small;
  bytes[start + AT.small + 1] = small >>> 8;
  putU32(bytes, start + AT.count, count);
  putNumber(bytes, start + AT.term, term);
  putNumber(bytes, start + AT.freeBytes, freeBytes);
  let at = start + BODY_HEAD_BYTES;
  for (const number of numbers) {
    putNumber(bytes, at, number);
    at += 8;
  }
  return bytes;
}

function putNumber(bytes: Uint8Array, at: number, number: number): void {
  assert(Number.isSafeInteger(number) && number >= 0, "a number on the wire is a safe integer");
  putU64(bytes, at, number);
}

class BodyReader {
  readonly body: Uint8Array;
  readonly code: number;
  readonly flag: boolean;
  readonly small: number;
  readonly count: number;
  readonly term: number;
  readonly freeBytes: number;
  at = BODY_HEAD_BYTES;

  constructor(body: Uint8Array) {
    if (body.length < BODY_HEAD_BYTES) throw corrupt("its head");
    this.body = body;
    this.code = body[AT.code] as number;
    const flags = body[AT.flags] as number;
    if (flags > 1) throw new ProglogError("UNSUPPORTED_FORMAT", `a message with flags ${flags}`);
    this.flag = flags === 1;
    this.small = (body[AT.small] as number) | ((body[AT.small + 1] as number) << 8);
    this.count = getU32(body, AT.count);
    this.term = safe(getU64(body, AT.term));
    this.freeBytes = safe(getU64(body, AT.freeBytes));
  }

  number(): number {
    if (this.body.length - this.at < 8) throw corrupt("its length");
    this.at += 8;
    return safe(getU64(this.body, this.at - 8));
  }

  take(length: number): Uint8Array {
    if (length > this.body.length - this.at) throw corrupt("its length");
    this.at += length;
    return this.body.subarray(this.at - length, this.at);
  }

  rest(): Uint8Array {
    return this.take(this.body.length - this.at);
  }

  end(): void {
    if (this.at !== this.body.length) throw corrupt("its length");
  }
}

function safe(number: number): number {
  if (!Number.isSafeInteger(number)) throw corrupt("a number");
  return number;
}

function corrupt(what: string): ProglogError {
  return new ProglogError("CORRUPT_BATCH", `a message between replicas is malformed: ${what}`);
}
