import assert from "node:assert/strict";
import { test } from "node:test";
import { soleVoter } from "../base/index.ts";
import { decodeSide, decodeSideHead, encodeSide } from "./side.ts";
import type { Side } from "./side.ts";

const side: Side = {
  firstIndex: 77,
  previousTerm: 3,
  nextOffset: 5000,
  appendedAt: 1_700_000_000_000,
  salt: Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8]),
  logStart: { index: 5, offset: 40, retentionBytes: 10, retentionMs: 20 },
  featureLevel: 1,
  previousFirstIndex: 50,
  previousBytes: 4096,
  commitIndex: 70,
  configurationIndex: 60,
  configuration: soleVoter({ replicaId: 2 ** 52 + 1, name: "one" }),
  state: Uint8Array.from([9, 8, 7]),
};

test("a side file survives, and no bit of it can change unnoticed", () => {
  const bytes = encodeSide(side);
  assert.deepEqual(decodeSide(bytes), side);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const bad = bytes.slice();
    bad[bit >> 3] = (bad[bit >> 3] as number) ^ (1 << (bit & 7));
    assert.equal(decodeSide(bad), undefined, `bit ${bit}`);
  }
  for (let length = 0; length < bytes.length; length++) {
    assert.equal(decodeSide(bytes.slice(0, length)), undefined);
  }
});

test("the head can be read alone, whatever happened to the rest", () => {
  const bytes = encodeSide(side);
  bytes[bytes.length - 1] = 0;
  assert.equal(decodeSide(bytes), undefined);
  assert.equal(decodeSideHead(bytes)?.nextOffset, 5000);
});
