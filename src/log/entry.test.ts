import assert from "node:assert/strict";
import { test } from "node:test";
import { ENTRY_TYPE } from "./entry-type.ts";
import type { Entry } from "./entry-type.ts";
import {
  BAD_FRAME,
  claimedFrameBytes,
  ENTRY_HEADER_BYTES,
  FENCE_BYTES,
  frameBytes,
  frameIsIntact,
  isFence,
  readEntry,
  readFence,
  writeEntry,
  writeEntryHeader,
  writeFence,
} from "./entry.ts";

const entry: Entry = {
  index: 2 ** 40 + 3,
  term: 7,
  type: ENTRY_TYPE.records,
  baseOffset: 2 ** 45 + 1,
  appendedAt: 1_700_000_000_123,
  recordCount: 3,
  payload: Uint8Array.from({ length: 100 }, (_, i) => i),
};

function framed(): Uint8Array {
  const bytes = new Uint8Array(frameBytes(entry.payload.length));
  assert.equal(writeEntry(bytes, 0, entry), bytes.length);
  return bytes;
}

test("an entry survives its frame", () => {
  const bytes = framed();
  assert.equal(claimedFrameBytes(bytes, 0), bytes.length);
  assert.ok(frameIsIntact(bytes, 0, bytes.length));
  assert.deepEqual(readEntry(bytes, 0, bytes.length), entry);
});

test("every bit of a frame is guarded: by its length or by its checksum", () => {
  for (let bit = 0; bit < framed().length * 8; bit++) {
    const bytes = framed();
    bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
    const claimed = claimedFrameBytes(bytes, 0);
    const accepted = claimed === bytes.length && frameIsIntact(bytes, 0, bytes.length);
    assert.ok(!accepted, `bit ${bit}`);
  }
});

test("a long entry is summed up once: its bytes may not change on the way", () => {
  const long = { ...entry, payload: new Uint8Array(10_000).fill(7) };
  const { length } = long.payload;
  const first = new Uint8Array(frameBytes(length));
  writeEntry(first, 0, long);
  assert.ok(frameIsIntact(first, 0, first.length));
  const read = readEntry(first.slice(), 0, first.length);
  const again = new Uint8Array(first.length);
  writeEntry(again, 0, read);
  assert.deepEqual(again, first);
  for (const one of [long, read]) {
    one.payload[5_000] = 8;
    writeEntry(again, 0, one);
    assert.ok(!frameIsIntact(again, 0, again.length));
    one.payload[5_000] = 7;
  }
  const header = new Uint8Array(ENTRY_HEADER_BYTES);
  writeEntryHeader(header, 0, { ...long });
  assert.deepEqual(header, first.slice(0, ENTRY_HEADER_BYTES));
});

test("zeros are no frame, and neither is a length beyond any batch", () => {
  assert.equal(claimedFrameBytes(new Uint8Array(64), 0), BAD_FRAME);
  assert.equal(claimedFrameBytes(new Uint8Array([255, 255, 255, 255]), 0), BAD_FRAME);
});

test("an unknown type or flag is refused, not skipped", () => {
  for (const type of [6, 42, 254, ENTRY_TYPE.fence]) {
    const bytes = new Uint8Array(frameBytes(0));
    writeEntry(bytes, 0, { ...entry, type: type as Entry["type"], payload: new Uint8Array(0) });
    assert.throws(() => readEntry(bytes, 0, bytes.length), { code: "UNSUPPORTED_FORMAT" });
  }
});

test("a fence says what was durable, and carries its segment's salt", () => {
  const fence = { index: 9, term: 2, nextOffset: 100, appendedAt: 5, unsynced: 1, commitIndex: 8 };
  const salt = Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8]);
  const bytes = new Uint8Array(FENCE_BYTES);
  writeFence(bytes, 0, fence, salt);
  assert.ok(frameIsIntact(bytes, 0, FENCE_BYTES) && isFence(bytes, 0, FENCE_BYTES));
  assert.deepEqual(readFence(bytes, 0), fence);
  assert.deepEqual(bytes.slice(56), salt);
});
