import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { inflateLzw } from "./gossip-lzw.ts";
import { deflateLzw } from "./testing/lzw-encoder.ts";

describe("LZW", () => {
  test("whatever was packed comes out, also after the table was full", () => {
    const few = fc.uint8Array({ maxLength: 30_000, max: 3 });
    const any = fc.uint8Array({ maxLength: 20_000 });
    fc.assert(
      fc.property(fc.oneof(few, any), (bytes) => {
        const back = inflateLzw(deflateLzw(bytes), bytes.length);
        assert.ok(Buffer.from(bytes).equals(back ?? Buffer.from("none")));
      }),
      { numRuns: 60 },
    );
    const long = Buffer.alloc(200_000, "abcabd");
    assert.ok(long.equals(inflateLzw(deflateLzw(long), long.length) ?? Buffer.alloc(0)));
  });

  test("what Go's compress/lzw wrote", () => {
    // lzw.NewWriter(w, lzw.LSB, 8) over the bytes of "TOBEORNOTTOBEORTOBEORNOT".
    const go = Buffer.from("00a93c1152e48914274fa80824687061c183090302", "hex");
    assert.equal(inflateLzw(go, 100)?.toString(), "TOBEORNOTTOBEORTOBEORNOT");
    assert.deepEqual(Buffer.from(deflateLzw(Buffer.from("TOBEORNOTTOBEORTOBEORNOT"))), go);
  });

  test("a bomb stops at the limit, with memory for no more", () => {
    const bomb = deflateLzw(Buffer.alloc(5_000_000));
    assert.ok(bomb.length < 60_000);
    assert.equal(inflateLzw(bomb, 4_999_999), undefined);
    assert.equal(inflateLzw(bomb, 5_000_000)?.length, 5_000_000);
  });

  test("cut short or with codes that nobody gave, it is refused", () => {
    const packed = deflateLzw(Buffer.from("hello hello hello"));
    for (let length = 0; length < packed.length - 1; length++) {
      assert.equal(inflateLzw(packed.subarray(0, length), 100), undefined);
    }
    // Clear, and then code 300 at once.
    assert.equal(inflateLzw(Uint8Array.of(0x00, 0x59, 0x02, 0xff), 100), undefined);
  });
});
