/**
 * What a server that does not lead asks of the one that does, as bytes. All numbers are little-endian.
 *
 * A request: term u64 · timeout u32 (ms) · count u32, then each append: kind u8 · flags u8 · subject
 * (length u16, UTF-8) · what the flags say is there: expected offset u64 · stamp (id u64, epoch u32,
 * sequence u32) · stream (id u64, position u64) · trace (length u16, a W3C `traceparent`) · body (length
 * u32). The body is a batch, or a name.
 *
 * An answer: each append in the same order: 0 u8 · base offset u64 · records u32 · term u64 · time u64 ·
 * duplicate u8; or 1 u8 · id u64 · epoch u32 of a producer; or 2 u8 · length u32 · error as JSON.
 */
import { decodeError, encodeError, getU32, getU64, ProglogError } from "../base/index.ts";
import { putU32, putU64 } from "../base/index.ts";
import type { AppendAnswer, ProducerIdentity, ProducerStamp } from "../base/index.ts";

/** `record`: a batch of one, whose record may share an entry with others. */
export const FORWARD_KINDS = ["batch", "record", "producer"] as const;
export type ForwardKind = (typeof FORWARD_KINDS)[number];

export interface ForwardedAppend {
  readonly kind: ForwardKind;
  /** On whose behalf; it was asked where the append came in whether he may. */
  readonly subject: string;
  readonly expectedOffset: number | undefined;
  readonly stamp: ProducerStamp | undefined;
  /** The client stream that it is one of, and its place there, from 0. */
  readonly stream: { readonly id: number; readonly position: number } | undefined;
  /** W3C `traceparent` of what was begun for it here, when its call is sampled. */
  readonly trace?: string | undefined;
  readonly body: Uint8Array;
}

export interface ForwardRequest {
  /** The sender believes that the receiver leads in this term, and means no other. */
  readonly term: number;
  /** Nobody waits longer for the answers. */
  readonly timeoutMs: number;
  readonly appends: readonly ForwardedAppend[];
}

export type ForwardResult =
  | { readonly kind: "appended"; readonly answer: AppendAnswer }
  | { readonly kind: "producer"; readonly identity: ProducerIdentity }
  | { readonly kind: "failed"; readonly error: ProglogError };

const HEAD_BYTES = 16;
/** All that may stand before a body, without the subject. */
const APPEND_HEAD_BYTES_MAX = 105;
const FLAG = { expectedOffset: 1, stamp: 2, stream: 4, trace: 8 } as const;
const APPENDED_BYTES = 30;
/** An error with more words than this is told in fewer. */
const ERROR_BYTES_MAX = 4_096;

/** What one append takes of a request, at most. */
export function forwardedBytes({ subject, body }: ForwardedAppend): number {
  return APPEND_HEAD_BYTES_MAX + 3 * subject.length + body.length;
}

export function encodeForwardRequest(request: ForwardRequest): Uint8Array {
  const { term, timeoutMs, appends } = request;
  const room = appends.reduce((sum, append) => sum + forwardedBytes(append), HEAD_BYTES);
  const writer = new Writer(room);
  writer.u64(term);
  writer.u32(Math.min(timeoutMs, 2 ** 32 - 1));
  writer.u32(appends.length);
  for (const append of appends) writeAppend(writer, append);
  return writer.bytes();
}

function writeAppend(writer: Writer, append: ForwardedAppend): void {
  const { kind, subject, expectedOffset, stamp, stream, trace, body } = append;
  writer.u8(FORWARD_KINDS.indexOf(kind));
  writer.u8(
    (expectedOffset === undefined ? 0 : FLAG.expectedOffset) |
      (stamp === undefined ? 0 : FLAG.stamp) |
      (stream === undefined ? 0 : FLAG.stream) |
      (trace === undefined ? 0 : FLAG.trace),
  );
  writer.text(subject);
  if (expectedOffset !== undefined) writer.u64(expectedOffset);
  if (stamp !== undefined) {
    writer.u64(stamp.id);
    writer.u32(stamp.epoch);
    writer.u32(stamp.sequence);
  }
  if (stream !== undefined) {
    writer.u64(stream.id);
    writer.u64(stream.position);
  }
  if (trace !== undefined) writer.text(trace);
  writer.block(body);
}

/** Throws `CORRUPT_BATCH`. Bodies are views of `bytes`. */
export function decodeForwardRequest(bytes: Uint8Array): ForwardRequest {
  const reader = new Reader(bytes);
  const term = reader.u64();
  const timeoutMs = reader.u32();
  const count = reader.u32();
  const appends: ForwardedAppend[] = [];
  for (let read = 0; read < count; read++) appends.push(readAppend(reader));
  reader.end();
  return { term, timeoutMs, appends };
}

function readAppend(reader: Reader): ForwardedAppend {
  const kind = FORWARD_KINDS[reader.u8()];
  const flags = reader.u8();
  if (kind === undefined || flags >= 16) throw malformed();
  const subject = reader.text();
  const expectedOffset = (flags & FLAG.expectedOffset) === 0 ? undefined : reader.u64();
  const stamp =
    (flags & FLAG.stamp) === 0
      ? undefined
      : { id: reader.u64(), epoch: reader.u32(), sequence: reader.u32() };
  const stream =
    (flags & FLAG.stream) === 0 ? undefined : { id: reader.u64(), position: reader.u64() };
  const trace = (flags & FLAG.trace) === 0 ? undefined : reader.text();
  return { kind, subject, expectedOffset, stamp, stream, trace, body: reader.block() };
}

export function encodeForwardResults(results: readonly ForwardResult[]): Uint8Array {
  const errors = results.map((result) =>
    result.kind === "failed" ? errorBytes(result.error) : undefined,
  );
  const room = errors.reduce((sum, error) => sum + APPENDED_BYTES + (error?.length ?? 0), 0);
  const writer = new Writer(room);
  for (const [at, result] of results.entries()) {
    if (result.kind === "appended") {
      const { baseOffset, recordCount, term, timestampMs, duplicate } = result.answer;
      writer.u8(0);
      writer.u64(baseOffset);
      writer.u32(recordCount);
      writer.u64(term);
      writer.u64(timestampMs);
      writer.u8(duplicate ? 1 : 0);
    } else if (result.kind === "producer") {
      writer.u8(1);
      writer.u64(result.identity.id);
      writer.u32(result.identity.epoch);
    } else {
      writer.u8(2);
      writer.block(errors[at] as Uint8Array);
    }
  }
  return writer.bytes();
}

/** Throws `CORRUPT_BATCH` unless there are exactly `count` answers. */
export function decodeForwardResults(bytes: Uint8Array, count: number): ForwardResult[] {
  const reader = new Reader(bytes);
  const results: ForwardResult[] = [];
  for (let read = 0; read < count; read++) results.push(readResult(reader));
  reader.end();
  return results;
}

function readResult(reader: Reader): ForwardResult {
  switch (reader.u8()) {
    case 0: {
      const [baseOffset, recordCount] = [reader.u64(), reader.u32()];
      const [term, timestampMs, duplicate] = [reader.u64(), reader.u64(), reader.u8() === 1];
      return {
        kind: "appended",
        answer: { baseOffset, recordCount, term, timestampMs, duplicate },
      };
    }
    case 1:
      return { kind: "producer", identity: { id: reader.u64(), epoch: reader.u32() } };
    case 2:
      return { kind: "failed", error: decodeError(reader.block()) };
    default:
      throw malformed();
  }
}

function errorBytes(error: ProglogError): Uint8Array {
  const bytes = encodeError(error);
  if (bytes.length <= ERROR_BYTES_MAX) return bytes;
  const { code, notAppended } = error;
  return encodeError(new ProglogError(code, "it failed at the leader", { notAppended }));
}

class Writer {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(room: number) {
    this.#bytes = new Uint8Array(room);
  }

  u8(value: number): void {
    this.#bytes[this.#at++] = value;
  }

  u32(value: number): void {
    putU32(this.#bytes, this.#at, value);
    this.#at += 4;
  }

  u64(value: number): void {
    putU64(this.#bytes, this.#at, value);
    this.#at += 8;
  }

  text(text: string): void {
    const { written } = new TextEncoder().encodeInto(text, this.#bytes.subarray(this.#at + 2));
    this.u8(written);
    this.u8(written >>> 8);
    this.#at += written;
  }

  block(block: Uint8Array): void {
    this.u32(block.length);
    this.#bytes.set(block, this.#at);
    this.#at += block.length;
  }

  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
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

  u32(): number {
    return getU32(this.#take(4), 0);
  }

  u64(): number {
    const value = getU64(this.#take(8), 0);
    if (!Number.isSafeInteger(value)) throw malformed();
    return value;
  }

  text(): string {
    const length = this.u8() | (this.u8() << 8);
    return new TextDecoder().decode(this.#take(length));
  }

  block(): Uint8Array {
    return this.#take(this.u32());
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw malformed();
  }

  #take(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#at) throw malformed();
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}

function malformed(): ProglogError {
  return new ProglogError("CORRUPT_BATCH", "appends of another server are malformed");
}
