import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { crc32c } from "./crc32c.ts";

test("the checksums that RFC 3720, appendix B.4, lists", () => {
  const ascending = Uint8Array.from({ length: 32 }, (_, i) => i);
  assert.equal(crc32c(new TextEncoder().encode("123456789")), 0xe3069283);
  assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
  assert.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  assert.equal(crc32c(ascending), 0x46dd794e);
  assert.equal(crc32c(ascending.toReversed()), 0x113fdb5c);
  assert.equal(crc32c(new Uint8Array(0)), 0);
});

test("twelve bytes a step give what one bit a step gives, at any alignment", () => {
  const anywhere = fc.record({
    bytes: fc.uint8Array({ maxLength: 200 }),
    skip: fc.nat({ max: 40 }),
    cut: fc.nat({ max: 40 }),
  });
  fc.assert(
    fc.property(anywhere, ({ bytes, skip, cut }) => {
      const start = Math.min(skip, bytes.length);
      const end = Math.max(start, bytes.length - cut);
      const expected = crcByBits(bytes.subarray(start, end));
      assert.equal(crc32c(bytes, start, end), expected);
      assert.equal(crc32c(bytes.subarray(start, end)), expected);
    }),
  );
});

function crcByBits(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}
