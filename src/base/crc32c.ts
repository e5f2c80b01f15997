/**
 * CRC-32C (Castagnoli): the checksum of a RecordBatch. Reflected polynomial 0x82f63b78, as in
 * RFC 3720 appendix B.4; twelve bytes a step by "slicing" (Kounavis and Berry, 2008). Sixteen are
 * slower in V8, which then runs out of registers.
 */
const POLYNOMIAL = 0x82f63b78;
const SLICES = 12;

/** `TABLE[256 * k + b]` is the CRC of byte `b` followed by `k` zero bytes: 12 KiB. */
const TABLE: Int32Array = makeTable();

function makeTable(): Int32Array {
  const table = new Int32Array(SLICES * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    table[byte] = crc;
  }
  for (let at = 256; at < table.length; at++) {
    const before = table[at - 256] as number;
    table[at] = (before >>> 8) ^ (table[before & 255] as number);
  }
  return table;
}

/** The CRC-32C of `bytes[start, end)`, as an unsigned 32-bit number. */
export function crc32c(bytes: Uint8Array, start = 0, end: number = bytes.length): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let crc = -1;
  let at = start;
  // The word that waits for the step before comes last, so that the other lookups need not wait.
  for (const last = end - SLICES; at <= last; at += SLICES) {
    let word = view.getInt32(at + 8, true);
    let sum =
      (TABLE[768 | (word & 255)] as number) ^
      (TABLE[512 | ((word >>> 8) & 255)] as number) ^
      (TABLE[256 | ((word >>> 16) & 255)] as number) ^
      (TABLE[word >>> 24] as number);
    word = view.getInt32(at + 4, true);
    sum ^=
      (TABLE[1792 | (word & 255)] as number) ^
      (TABLE[1536 | ((word >>> 8) & 255)] as number) ^
      (TABLE[1280 | ((word >>> 16) & 255)] as number) ^
      (TABLE[1024 | (word >>> 24)] as number);
    word = crc ^ view.getInt32(at, true);
    crc =
      sum ^
      (TABLE[2816 | (word & 255)] as number) ^
      (TABLE[2560 | ((word >>> 8) & 255)] as number) ^
      (TABLE[2304 | ((word >>> 16) & 255)] as number) ^
      (TABLE[2048 | (word >>> 24)] as number);
  }
  for (; at < end; at++) {
    crc = (crc >>> 8) ^ (TABLE[(crc ^ (bytes[at] as number)) & 255] as number);
  }
  return ~crc >>> 0;
}
