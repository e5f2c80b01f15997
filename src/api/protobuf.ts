/**
 * Reading and writing protobuf's wire format, by hand and on bytes: what a record costs on its way
 * through the server is decided here. Numbers are JavaScript's; only a 64-bit number above 2^53−1
 * is a bigint, because rounding an offset would name another record.
 *
 * Source: https://protobuf.dev/programming-guides/encoding/
 */
import { assert, ProglogError } from "../base/index.ts";

export const VARINT = 0;
export const FIXED64 = 1;
export const LENGTH_DELIMITED = 2;
export const FIXED32 = 5;

/** Up to here a loop is faster than a view and a copy. */
const LOOP_COPY_BYTES_MAX = 64;
const TWO_TO_28 = 0x10000000;
/** Bits 28 and up of a 64-bit number, from which on the number is above 2^53−1. */
const UPPER_BEYOND_SAFE = 0x2000000;

function malformed(what: string): ProglogError {
  return new ProglogError("INVALID_ARGUMENT", `malformed message: ${what}`);
}

/** A field of a message: its number in the definition, with its wire type. */
export function tagOf(field: number, wireType: number): number {
  return (field << 3) | wireType;
}

/**
 * Steps through the fields of one message: `next()` reads a tag, then exactly one of the readers
 * for its value, or `skip()`, is called. Whatever is malformed throws `INVALID_ARGUMENT`.
 */
export class ProtoReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;
  #low = 0;
  #upper = 0;
  /** The number of the field whose value comes next. */
  field = 0;
  /** Its wire type, as the sender says. */
  wireType = 0;

  constructor(bytes: Uint8Array, start = 0, end: number = bytes.length) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  /** Reads the next tag; false at the end of the message. */
  next(): boolean {
    if (this.#at === this.#end) return false;
    this.#readVarint();
    // A tag is 32 bits; field 0 does not exist.
    if (this.#upper > 15) throw malformed("a tag above 32 bits");
    const tag = this.#upper * TWO_TO_28 + this.#low;
    this.field = Math.floor(tag / 8);
    this.wireType = tag & 7;
    if (this.field === 0) throw malformed("field 0");
    return true;
  }

  /** uint64: a bigint only above 2^53−1. */
  uint64(): number | bigint {
    this.#expect(VARINT);
    this.#readVarint();
    if (this.#upper < UPPER_BEYOND_SAFE) return this.#upper * TWO_TO_28 + this.#low;
    return BigInt.asUintN(64, (BigInt(this.#upper) << 28n) | BigInt(this.#low));
  }

  /** uint64 where nothing sensible is above 2^53−1. */
  safeUint64(name: string): number {
    const value = this.uint64();
    if (typeof value === "number") return value;
    throw new ProglogError("INVALID_ARGUMENT", `${name} is above 2^53−1: ${value.toString()}`, {
      details: { field: name, value: value.toString() },
    });
  }

  /** int64 within ±(2^53−1). */
  safeInt64(name: string): number {
    const unsigned = this.uint64();
    if (typeof unsigned === "number") return unsigned;
    const value = BigInt.asIntN(64, unsigned);
    if (value < 0n && value >= BigInt(Number.MIN_SAFE_INTEGER)) return Number(value);
    throw new ProglogError(
      "INVALID_ARGUMENT",
      `${name} is not a safe integer: ${value.toString()}`,
    );
  }

  /** uint32 and enums; bits above the 32nd are cut, as the format says. */
  uint32(): number {
    this.#expect(VARINT);
    this.#readVarint();
    return (this.#low | ((this.#upper & 15) << 28)) >>> 0;
  }

  bool(): boolean {
    this.#expect(VARINT);
    this.#readVarint();
    return this.#low !== 0 || this.#upper !== 0;
  }

  /** A view of the message's own bytes. */
  bytes(): Uint8Array {
    const start = this.#enter();
    return this.#bytes.subarray(start, this.#at);
  }

  text(): string {
    const start = this.#enter();
    if (start === this.#at) return "";
    return Buffer.from(
      this.#bytes.buffer,
      this.#bytes.byteOffset + start,
      this.#at - start,
    ).toString("utf8");
  }

  /** A reader of an embedded message. */
  message(): ProtoReader {
    const start = this.#enter();
    return new ProtoReader(this.#bytes, start, this.#at);
  }

  /** Passes over a field that is not known here. */
  skip(): void {
    switch (this.wireType) {
      case VARINT:
        this.#readVarint();
        return;
      case FIXED64:
        this.#advance(8);
        return;
      case LENGTH_DELIMITED:
        this.#enter();
        return;
      case FIXED32:
        this.#advance(4);
        return;
      default:
        // Groups (3, 4) ended with proto2.
        throw malformed(`wire type ${this.wireType}`);
    }
  }

  /** Passes over a length and as many bytes; returns where they start. */
  #enter(): number {
    this.#expect(LENGTH_DELIMITED);
    this.#readVarint();
    if (this.#upper !== 0) throw malformed("a length above its message's");
    const start = this.#at;
    this.#advance(this.#low);
    return start;
  }

  #expect(wireType: number): void {
    if (this.wireType !== wireType) {
      throw malformed(`field ${this.field} has wire type ${this.wireType}`);
    }
  }

  #advance(bytes: number): void {
    if (bytes > this.#end - this.#at) throw malformed("it ends within a field");
    this.#at += bytes;
  }

  #byte(): number {
    if (this.#at === this.#end) throw malformed("it ends within a number");
    return this.#bytes[this.#at++] as number;
  }

  /** Leaves the low 28 bits in `#low`, the other 36 in `#upper`. */
  #readVarint(): void {
    let byte = this.#byte();
    let low = byte & 127;
    for (let shift = 7; byte > 127 && shift < 28; shift += 7) {
      byte = this.#byte();
      low |= (byte & 127) << shift;
    }
    this.#low = low;
    this.#upper = byte > 127 ? this.#readUpper() : 0;
  }

  #readUpper(): number {
    let upper = 0;
    let scale = 1;
    // Bytes five to ten; of the tenth only one bit is left in 64.
    for (let position = 5; position <= 10; position++) {
      const byte = this.#byte();
      upper += (position === 10 ? byte & 1 : byte & 127) * scale;
      if (byte <= 127) return upper;
      scale *= 128;
    }
    throw malformed("a number longer than ten bytes");
  }
}

/** Bytes of an unsigned varint; `value` is a safe integer >= 0. */
export function varintSize(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x200000) return 3;
  if (value < 0x10000000) return 4;
  if (value < 0x800000000) return 5;
  if (value < 0x40000000000) return 6;
  if (value < 0x2000000000000) return 7;
  return 8;
}

/** Bytes of an int64: a negative one always takes ten. */
export function int64Size(value: number): number {
  return value < 0 ? 10 : varintSize(value);
}

/** Bytes of a field of a length and as many bytes, tag included. */
export function lengthDelimitedSize(field: number, length: number): number {
  return varintSize(tagOf(field, 0)) + varintSize(length) + length;
}

/** Bytes of a varint field, tag included; 0 for the default, which is not written. */
export function varintFieldSize(field: number, value: number): number {
  return value === 0 ? 0 : varintSize(tagOf(field, 0)) + int64Size(value);
}

/** Writes into an array of exactly the size that was computed before. */
export class ProtoWriter {
  readonly bytes: Buffer;
  #at = 0;

  constructor(length: number) {
    this.bytes = Buffer.allocUnsafe(length);
  }

  /** The bytes, once all of them are written. */
  finish(): Buffer {
    assert(this.#at === this.bytes.length, "a message is as long as its parts");
    return this.bytes;
  }

  varint(value: number): void {
    let rest = value;
    while (rest > 0x7fffffff) {
      this.bytes[this.#at++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    while (rest > 127) {
      this.bytes[this.#at++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    this.bytes[this.#at++] = rest;
  }

  /** A varint field with presence: written whatever its value. */
  presentField(field: number, value: number): void {
    this.varint(tagOf(field, VARINT));
    if (value < 0) this.#negative(value);
    else this.varint(value);
  }

  /** A varint field without presence: the default is not written. */
  varintField(field: number, value: number): void {
    if (value !== 0) this.presentField(field, value);
  }

  /** The tag and length of an embedded message or of bytes that follow. */
  open(field: number, length: number): void {
    this.varint(tagOf(field, LENGTH_DELIMITED));
    this.varint(length);
  }

  raw(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** Bytes [start, end) of `bytes`. */
  rawRange(bytes: Uint8Array, start: number, end: number): void {
    if (end - start > LOOP_COPY_BYTES_MAX) {
      this.raw(bytes.subarray(start, end));
      return;
    }
    for (let from = start; from < end; from++) this.bytes[this.#at++] = bytes[from] as number;
  }

  bytesField(field: number, bytes: Uint8Array): void {
    this.open(field, bytes.length);
    this.raw(bytes);
  }

  #negative(value: number): void {
    let rest = BigInt.asUintN(64, BigInt(value));
    for (let position = 1; position < 10; position++) {
      this.bytes[this.#at++] = Number(rest & 127n) | 128;
      rest >>= 7n;
    }
    this.bytes[this.#at++] = Number(rest);
  }
}
