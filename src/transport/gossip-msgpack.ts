/**
 * Msgpack as memberlist and Serf speak it: Go's byte slices and its strings are the same thing on the
 * wire, so what is read as raw stays bytes until a field says that it is text. Structs are maps keyed
 * by Go's field names; what is unknown is skipped, what is missing or nil is zero.
 *
 * Written is the old profile only, which both codecs of the peers read (raw of 5, 16 and 32 bits,
 * unsigned integers); read are also str8, bin, signed integers and floats.
 * Source: msgpack's specification; traps 1, 2, 10 and 11 of the peers' codecs.
 */
import { isUtf8 } from "node:buffer";
import { limits } from "../base/index.ts";

export type Value = null | boolean | number | bigint | Uint8Array | readonly Value[] | ValueMap;
export type ValueMap = ReadonlyMap<string, Value>;

export type Encodable =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly Encodable[]
  | ReadonlyMap<string, Encodable>
  | { readonly [field: string]: Encodable };

/** No message of ours nests deeper than 4. */
const DEPTH_MAX = 8;
const TWO_TO_32 = 4_294_967_296;

/** Reads values one after the other, and says where it stands: a stream has several, then raw bytes. */
export class MsgpackReader {
  readonly #bytes: Buffer;
  at: number;
  /** `more`: the bytes end within a value; `bad`: no more bytes could make it one. */
  state: "ok" | "more" | "bad" = "ok";
  #values = 0;

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = at;
  }

  /** The next value; null once `state` is not `ok`. Raw is a view of the bytes given. */
  value(depth = 0): Value {
    // A byte can be a value of sixteen in memory.
    this.#values += 1;
    if (depth > DEPTH_MAX || this.#values > limits.gossipValuesMax) return this.#fail("bad");
    const head = this.#uint(1);
    if (head < 0x80) return head;
    if (head < 0x90) return this.#map(head & 0x0f, depth);
    if (head < 0xa0) return this.#array(head & 0x0f, depth);
    if (head < 0xc0) return this.#raw(head & 0x1f);
    if (head >= 0xe0) return head - 0x100;
    return this.#long(head, depth);
  }

  #long(head: number, depth: number): Value {
    switch (head) {
      case 0xc2:
      case 0xc3:
        return head === 0xc3;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#raw(this.#uint(1 << (head - 0xc4)));
      case 0xca:
        return this.#number(4, (at) => this.#bytes.readFloatBE(at));
      case 0xcb:
        return this.#number(8, (at) => this.#bytes.readDoubleBE(at));
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#uint(1 << (head - 0xcc));
      case 0xcf:
        return small(this.#number(8, (at) => this.#bytes.readBigUInt64BE(at)));
      case 0xd0:
      case 0xd1:
      case 0xd2: {
        const size = 1 << (head - 0xd0);
        return this.#number(size, (at) => this.#bytes.readIntBE(at, size));
      }
      case 0xd3:
        return small(this.#number(8, (at) => this.#bytes.readBigInt64BE(at)));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#raw(this.#uint(1 << (head - 0xd9)));
      case 0xdc:
      case 0xdd:
        return this.#array(this.#uint(2 << (head - 0xdc)), depth);
      case 0xde:
      case 0xdf:
        return this.#map(this.#uint(2 << (head - 0xde)), depth);
      // 0xc0 is nil; 0xc1 and the extensions are in no message.
      default:
        return head === 0xc0 ? null : this.#fail("bad");
    }
  }

  #number<T extends number | bigint>(size: number, read: (at: number) => T): T | 0 {
    if (this.#bytes.length - this.at < size) {
      this.#fail("more");
      return 0;
    }
    const number = read(this.at);
    this.at += size;
    return number;
  }

  #uint(size: number): number {
    return this.#number(size, (at) => this.#bytes.readUIntBE(at, size));
  }

  #raw(length: number): Value {
    if (this.state !== "ok") return null;
    if (this.#bytes.length - this.at < length) return this.#fail("more");
    this.at += length;
    return this.#bytes.subarray(this.at - length, this.at);
  }

  /** Counts are not believed: an element is at least a byte, and room is made as they come. */
  #array(count: number, depth: number): Value {
    const values: Value[] = [];
    for (let i = 0; i < count && this.state === "ok"; i++) values.push(this.value(depth + 1));
    return values;
  }

  #map(count: number, depth: number): Value {
    const values = new Map<string, Value>();
    for (let i = 0; i < count && this.state === "ok"; i++) {
      const key = this.value(depth + 1);
      const name = key instanceof Uint8Array ? textOf(key) : undefined;
      // When the bytes ended within the key, that is what is wrong.
      if (name === undefined) return this.#fail("bad");
      values.set(name, this.value(depth + 1));
    }
    return values;
  }

  #fail(state: "more" | "bad"): null {
    if (this.state === "ok") this.state = state;
    return null;
  }
}

/** A number where it is exact. */
function small(value: bigint | 0): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** UTF-8; undefined for bytes that are none, because a name must be the same for everybody. */
export function textOf(bytes: Uint8Array): string | undefined {
  const { buffer, byteOffset, byteLength } = bytes;
  return isUtf8(bytes) ? Buffer.from(buffer, byteOffset, byteLength).toString("utf8") : undefined;
}

/** One whole value; undefined when there is none, or something after it. */
export function decodeValue(bytes: Uint8Array, at = 0): Value | undefined {
  const reader = new MsgpackReader(bytes, at);
  const value = reader.value();
  return reader.state === "ok" && reader.at === bytes.length ? value : undefined;
}

/** The fields of a struct, as the type that the message needs; `isValid()` turns false when one has another. */
export class Fields {
  readonly #map: ValueMap;
  #isValid: boolean;

  constructor(value: Value | undefined) {
    const isMap = value instanceof Map;
    this.#map = isMap ? value : new Map<string, Value>();
    this.#isValid = isMap;
  }

  /** Whether all that was asked for so far was there as asked, or not there at all. */
  isValid(): boolean {
    return this.#isValid;
  }

  has(name: string): boolean {
    return (this.#map.get(name) ?? null) !== null;
  }

  text(name: string): string {
    const value = this.#map.get(name) ?? null;
    if (value === null) return "";
    const text = value instanceof Uint8Array ? textOf(value) : undefined;
    return text ?? this.#wrong("");
  }

  bytes(name: string): Uint8Array {
    const value = this.#map.get(name) ?? null;
    if (value === null) return new Uint8Array(0);
    if (value instanceof Uint8Array) return value;
    // Some codecs write a Go []uint8 as an array of integers.
    const isBytes = Array.isArray(value) && value.every(isByte);
    return isBytes ? Uint8Array.from(value) : this.#wrong(new Uint8Array(0));
  }

  /** The same as bytes of its own: what is kept must not keep the packet, or the stream, that it came in. */
  ownBytes(name: string): Uint8Array {
    return Uint8Array.from(this.bytes(name));
  }

  /** A whole number from 0 to `max`. */
  uint(name: string, max: number = Number.MAX_SAFE_INTEGER): number {
    const value = this.#map.get(name) ?? 0;
    const isUint = typeof value === "number" && Number.isSafeInteger(value);
    return isUint && value >= 0 && value <= max ? value : this.#wrong(0);
  }

  /** Any number, as close as a double comes. For durations, which peers may choose freely. */
  number(name: string): number {
    const value = this.#map.get(name) ?? 0;
    const isNumber = typeof value === "number" || typeof value === "bigint";
    return isNumber ? Number(value) : this.#wrong(0);
  }

  flag(name: string): boolean {
    const value = this.#map.get(name) ?? false;
    return typeof value === "boolean" ? value : this.#wrong(false);
  }

  list(name: string): readonly Value[] {
    const value = this.#map.get(name) ?? [];
    return Array.isArray(value) ? (value as readonly Value[]) : this.#wrong([]);
  }

  texts(name: string): string[] {
    return this.list(name).map((value) => {
      const text = value instanceof Uint8Array ? textOf(value) : undefined;
      return text ?? this.#wrong("");
    });
  }

  map(name: string): ValueMap {
    const value = this.#map.get(name) ?? null;
    if (value === null) return new Map();
    return value instanceof Map ? value : this.#wrong(new Map());
  }

  /** A struct within this one. */
  struct(name: string): Fields {
    const fields = new Fields(this.#map.get(name));
    if (!fields.isValid()) this.#isValid = false;
    return fields;
  }

  #wrong<T>(zero: T): T {
    this.#isValid = false;
    return zero;
  }
}

function isByte(value: Value): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value < 256;
}

export function encodeValue(value: Encodable): Uint8Array {
  const writer = new Writer();
  writer.value(value);
  return writer.bytes();
}

class Writer {
  #buffer = Buffer.allocUnsafe(256);
  #length = 0;

  bytes(): Uint8Array {
    return Uint8Array.prototype.slice.call(this.#buffer, 0, this.#length);
  }

  value(value: Encodable): void {
    if (value === null) this.#head(0xc0);
    else if (typeof value === "boolean") this.#head(value ? 0xc3 : 0xc2);
    else if (typeof value === "number") this.#integer(value);
    else if (typeof value === "string") this.#raw(Buffer.from(value, "utf8"));
    else if (value instanceof Uint8Array) this.#raw(value);
    else if (isList(value)) this.#array(value);
    else this.#map(value instanceof Map ? [...value] : Object.entries(value));
  }

  #integer(value: number): void {
    if (value < 0) this.#signed(value);
    else if (value < 0x80) this.#head(value);
    else if (value < 0x100) this.#head(0xcc, value, 1);
    else if (value < 0x1_0000) this.#head(0xcd, value, 2);
    else if (value < TWO_TO_32) this.#head(0xce, value, 4);
    else {
      const at = this.#head(0xcf, 0, 8);
      this.#buffer.writeBigUInt64BE(BigInt(value), at + 1);
    }
  }

  #signed(value: number): void {
    const at = this.#head(0xd3, 0, 8);
    this.#buffer.writeBigInt64BE(BigInt(value), at + 1);
  }

  #raw(bytes: Uint8Array): void {
    const { length } = bytes;
    if (length < 32) this.#head(0xa0 | length);
    else if (length < 0x1_0000) this.#head(0xda, length, 2);
    else this.#head(0xdb, length, 4);
    this.#reserve(length);
    this.#buffer.set(bytes, this.#length);
    this.#length += length;
  }

  #array(values: readonly Encodable[]): void {
    const { length } = values;
    if (length < 16) this.#head(0x90 | length);
    else if (length < 0x1_0000) this.#head(0xdc, length, 2);
    else this.#head(0xdd, length, 4);
    for (const value of values) this.value(value);
  }

  #map(entries: readonly (readonly [string, Encodable])[]): void {
    const { length } = entries;
    if (length < 16) this.#head(0x80 | length);
    else if (length < 0x1_0000) this.#head(0xde, length, 2);
    else this.#head(0xdf, length, 4);
    for (const [key, value] of entries) {
      this.#raw(Buffer.from(key, "utf8"));
      this.value(value);
    }
  }

  /** A first byte and an unsigned number behind it; answers where it stands. */
  #head(first: number, number = 0, size = 0): number {
    const at = this.#length;
    this.#reserve(1 + size);
    this.#buffer[at] = first;
    if (size > 0 && size <= 4) this.#buffer.writeUIntBE(number, at + 1, size);
    this.#length += 1 + size;
    return at;
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.#buffer.length));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}

function isList(value: object): value is readonly Encodable[] {
  return Array.isArray(value);
}
