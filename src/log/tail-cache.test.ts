import assert from "node:assert/strict";
import { test } from "node:test";
import { ENTRY_TYPE } from "./entry-type.ts";
import type { Entry } from "./entry-type.ts";
import { TailCache } from "./tail-cache.ts";

const BYTES = 1000;

function entry(index: number): Entry {
  const payload = new Uint8Array(BYTES);
  return {
    index,
    term: 1,
    type: ENTRY_TYPE.records,
    baseOffset: 10 * index,
    appendedAt: 1,
    recordCount: 10,
    payload,
  };
}

test("holds the newest batches, as many as its bytes allow", () => {
  const cache = new TailCache(3 * BYTES);
  for (let index = 1; index <= 5; index++) cache.add(entry(index));
  assert.equal(cache.read(29, 60, 10 * BYTES), undefined, "the oldest have gone");
  assert.equal(cache.read(35, 60, 10 * BYTES)?.length, 3);
  assert.equal(cache.read(35, 60, BYTES)?.length, 1, "at least one");
  assert.equal(cache.read(35, 50, 10 * BYTES)?.length, 2, "not what lies beyond the limit");
  assert.equal(cache.read(60, 70, BYTES), undefined);
  cache.cut(5);
  assert.equal(cache.read(55, 60, BYTES), undefined, "what was cut is forgotten");
  cache.add(entry(5));
  assert.equal(cache.read(35, 60, 10 * BYTES)?.length, 3);
  cache.clear();
  assert.equal(cache.read(35, 60, 10 * BYTES), undefined);
});
