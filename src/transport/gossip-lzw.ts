/**
 * LZW as memberlist compresses with it (GIF's: 8-bit literals, least significant bit first, codes of 9
 * to 12 bits). Only the way back: nobody has to send compressed.
 * Source: Go's compress/lzw; Welch, "A Technique for High-Performance Data Compression" (1984).
 */
const CLEAR = 256;
const END = 257;
const FIRST_FREE = 258;
const WIDTH_MIN = 9;
const WIDTH_MAX = 12;
const CODES = 1 << WIDTH_MAX;

/** The bytes; undefined when they are not LZW, or would be more than `bytesMax`. */
export function inflateLzw(packed: Uint8Array, bytesMax: number): Uint8Array | undefined {
  const prefixes = new Uint16Array(CODES);
  const suffixes = new Uint8Array(CODES);
  const firsts = new Uint8Array(CODES);
  const lengths = new Uint16Array(CODES);
  for (let code = 0; code < CLEAR; code++) {
    suffixes[code] = firsts[code] = code;
    lengths[code] = 1;
  }
  let out = Buffer.allocUnsafe(Math.min(bytesMax, 4 * packed.length + 64));
  let length = 0;
  let free = FIRST_FREE;
  let width = WIDTH_MIN;
  let previous = -1;
  let held = 0;
  let heldBits = 0;
  for (let at = 0; ;) {
    while (heldBits < width && at < packed.length) {
      held |= (packed[at++] ?? 0) << heldBits;
      heldBits += 8;
    }
    if (heldBits < width) return undefined;
    const code = held & ((1 << width) - 1);
    held >>>= width;
    heldBits -= width;
    if (code === END) return out.subarray(0, length);
    if (code === CLEAR) {
      free = FIRST_FREE;
      width = WIDTH_MIN;
      previous = -1;
      continue;
    }
    // A code may name the entry that it itself completes: the previous one and its first byte.
    const isNext = code === free && previous >= 0 && free < CODES;
    if (code >= free && !isNext) return undefined;
    const first = firsts[isNext ? previous : code] ?? 0;
    if (previous >= 0 && free < CODES) {
      prefixes[free] = previous;
      suffixes[free] = first;
      firsts[free] = firsts[previous] ?? 0;
      lengths[free] = (lengths[previous] ?? 0) + 1;
      free += 1;
    }
    const size = lengths[code] ?? 0;
    if (length + size > bytesMax) return undefined;
    if (length + size > out.length) out = grown(out, length, length + size, bytesMax);
    length += size;
    for (let to = length - 1, from = code, left = size; left > 0; left--, to--) {
      out[to] = suffixes[from] ?? 0;
      from = prefixes[from] ?? 0;
    }
    if (width < WIDTH_MAX && free >= 1 << width) width += 1;
    previous = code;
  }
}

function grown(out: Buffer, length: number, needed: number, bytesMax: number): Buffer<ArrayBuffer> {
  const larger = Buffer.allocUnsafe(Math.min(bytesMax, Math.max(needed, 2 * out.length)));
  out.copy(larger, 0, 0, length);
  return larger;
}
