/**
 * CRC-32C (Castagnoli): the checksum of a RecordBatch. Reflected polynomial 0x82f63b78, as in
 * RFC 3720 appendix B.4; sixteen bytes a step by "slicing" (Kounavis and Berry, 2008).
 */
const POLYNOMIAL = 0x82f63b78;
const SLICES = 16;

/** `TABLE[256 * k + b]` is the CRC of byte `b` followed by `k` zero bytes: 16 KiB, half of an L1 cache. */
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
  // Additions instead of `|` in the index, and this order of the terms: both are measured.
  for (const last = end - SLICES; at <= last; at += SLICES) {
    const a = crc ^ view.getInt32(at, true);
    const b = view.getInt32(at + 4, true);
    const c = view.getInt32(at + 8, true);
    const d = view.getInt32(at + 12, true);
    crc =
      (TABLE[3840 + (a & 255)] as number) ^
      (TABLE[3584 + ((a >>> 8) & 255)] as number) ^
      (TABLE[3328 + ((a >>> 16) & 255)] as number) ^
      (TABLE[3072 + (a >>> 24)] as number) ^
      (TABLE[2816 + (b & 255)] as number) ^
      (TABLE[2560 + ((b >>> 8) & 255)] as number) ^
      (TABLE[2304 + ((b >>> 16) & 255)] as number) ^
      (TABLE[2048 + (b >>> 24)] as number) ^
      (TABLE[1792 + (c & 255)] as number) ^
      (TABLE[1536 + ((c >>> 8) & 255)] as number) ^
      (TABLE[1280 + ((c >>> 16) & 255)] as number) ^
      (TABLE[1024 + (c >>> 24)] as number) ^
      (TABLE[768 + (d & 255)] as number) ^
      (TABLE[512 + ((d >>> 8) & 255)] as number) ^
      (TABLE[256 + ((d >>> 16) & 255)] as number) ^
      (TABLE[d >>> 24] as number);
  }
  for (; at < end; at++) {
    crc = (crc >>> 8) ^ (TABLE[(crc ^ (bytes[at] as number)) & 255] as number);
  }
  return ~crc >>> 0;
}
