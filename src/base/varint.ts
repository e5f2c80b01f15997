/**
 * Zigzag varints, as Protocol Buffers and Kafka write them: seven bits a byte, low bits first, the
 * sign in the lowest bit. Values are safe integers; 64-bit ones outside that range are refused.
 */

/** Below this a zigzag varint is a 31-bit number, on which bit operations are exact, and fast. */
const SMALL = 2 ** 30;

/** Bytes of `value` as a zigzag varint. */
export function varintSize(value: number): number {
  let magnitude = value < 0 ? -value - 1 : value;
  if (magnitude < 64) return 1;
  if (magnitude < 8_192) return 2;
  if (magnitude < 1_048_576) return 3;
  let size = 4;
  for (magnitude = Math.floor(magnitude / 134_217_728); magnitude > 0; size++) {
    magnitude = Math.floor(magnitude / 128);
  }
  return size;
}

/** Writes `value` at `at`; returns where the next byte goes. */
export function putVarint(bytes: Uint8Array, at: number, value: number): number {
  const sign = value < 0 ? 1 : 0;
  const magnitude = value < 0 ? -value - 1 : value;
  if (magnitude >= SMALL) return putLongVarint(bytes, at, magnitude, sign);
  let rest = (magnitude << 1) | sign;
  let next = at;
  for (; rest >= 128; rest >>>= 7) bytes[next++] = 0x80 | (rest & 127);
  bytes[next] = rest;
  return next + 1;
}

function putLongVarint(bytes: Uint8Array, at: number, value: number, sign: number): number {
  // The first byte holds six bits and the sign, so that no intermediate number leaves the safe range.
  bytes[at] = 0x80 | ((value % 64) << 1) | sign;
  let magnitude = Math.floor(value / 64);
  let next = at + 1;
  while (magnitude >= 128) {
    bytes[next++] = 0x80 | (magnitude % 128);
    magnitude = Math.floor(magnitude / 128);
  }
  bytes[next] = magnitude;
  return next + 1;
}

/** What a reader returns instead of a number: the bytes end too early, or the number is too large. */
export const VARINT_INVALID: number = NaN;

/** Reads varints one after the other; `at` moves. Never reads beyond `end`. */
export class VarintReader {
  bytes: Uint8Array;
  at: number;
  end: number;

  constructor(bytes: Uint8Array, at: number, end: number) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  /** A number that Kafka calls VARINT or VARLONG; `VARINT_INVALID` when there is none. */
  read(): number {
    if (this.at >= this.end) return VARINT_INVALID;
    const first = this.bytes[this.at++] as number;
    if (first < 128) return (first >>> 1) ^ -(first & 1);
    // Two bytes are the length of most records; integers are faster than the general case.
    const second = this.at < this.end ? (this.bytes[this.at] as number) : 128;
    if (second >= 128) return this.#readLong(first);
    this.at += 1;
    const both = (second << 7) | (first & 127);
    return (both >>> 1) ^ -(both & 1);
  }

  #readLong(first: number): number {
    let magnitude = (first & 127) >>> 1;
    let scale = 64;
    // Ten bytes hold 64 bits; what is above 2^53 is refused below.
    for (let count = 1; count < 10 && this.at < this.end; count++) {
      const byte = this.bytes[this.at++] as number;
      magnitude += (byte & 127) * scale;
      scale *= 128;
      if (byte < 128) {
        if (magnitude > Number.MAX_SAFE_INTEGER) return VARINT_INVALID;
        return (first & 1) === 1 ? -magnitude - 1 : magnitude;
      }
    }
    return VARINT_INVALID;
  }
}
