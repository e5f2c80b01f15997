/** LZW as Go's compress/lzw writes it (LSB first, 8-bit literals): what peers send, for tests. */
const CLEAR = 256;
const END = 257;
const CODE_MAX = 4_095;

class BitWriter {
  readonly #bytes: number[] = [];
  #held = 0;
  #heldBits = 0;

  put(code: number, width: number): void {
    this.#held |= code << this.#heldBits;
    this.#heldBits += width;
    while (this.#heldBits >= 8) {
      this.#bytes.push(this.#held & 0xff);
      this.#held >>>= 8;
      this.#heldBits -= 8;
    }
  }

  finish(): Uint8Array {
    if (this.#heldBits > 0) this.#bytes.push(this.#held & 0xff);
    return Uint8Array.from(this.#bytes);
  }
}

export function deflateLzw(bytes: Uint8Array): Uint8Array {
  const out = new BitWriter();
  // By code and the literal after it; 0 where there is none.
  const table = new Uint16Array((CODE_MAX + 1) * 256);
  let width = 9;
  let last = END;
  let overflow = 512;
  // The code that the next entry gets; at the largest one the table is cleared.
  const step = (): boolean => {
    last += 1;
    if (last === overflow) {
      width += 1;
      overflow *= 2;
    }
    if (last !== CODE_MAX) return true;
    out.put(CLEAR, width);
    table.fill(0);
    width = 9;
    last = END;
    overflow = 512;
    return false;
  };
  out.put(CLEAR, width);
  let code = bytes[0] ?? 0;
  if (bytes.length > 0) {
    for (const literal of bytes.subarray(1)) {
      const key: number = code * 256 + literal;
      const next: number = table[key] ?? 0;
      if (next !== 0) {
        code = next;
        continue;
      }
      out.put(code, width);
      if (step()) table[key] = last;
      code = literal;
    }
    out.put(code, width);
    step();
  }
  out.put(END, width);
  return out.finish();
}
