import assert from "node:assert/strict";
import { test } from "node:test";
import { OffsetIndex } from "./offset-index.ts";
import { TimeIndex } from "./time-index.ts";

function filled(rows: number): OffsetIndex {
  const index = new OffsetIndex(3);
  for (let i = 0; i < rows; i++) {
    index.add({ index: 10 + i, baseOffset: 100 + i * 5, position: i * 4096, term: 3 + (i >> 6) });
  }
  return index;
}

test("an index finds the row at or before an offset, an index", () => {
  const index = filled(200);
  assert.equal(index.rowForOffset(99), undefined);
  assert.deepEqual(index.rowForOffset(100), {
    index: 10,
    baseOffset: 100,
    position: 0,
    term: 3,
  });
  assert.equal(index.rowForOffset(104)?.index, 10);
  assert.equal(index.rowForOffset(105)?.index, 11);
  assert.equal(index.rowForOffset(10 ** 9)?.index, 209);
  assert.equal(index.rowForIndex(9), undefined);
  assert.equal(index.rowForIndex(74)?.term, 4);
});

test("an index survives its file, and refuses one that is damaged or of another segment", () => {
  const bytes = filled(3).encode(9000);
  assert.deepEqual(OffsetIndex.decode(bytes, 3, 9000)?.row(2), filled(3).row(2));
  assert.equal(OffsetIndex.decode(bytes, 3, 9001), undefined);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const bad = bytes.slice();
    bad[bit >> 3] = (bad[bit >> 3] as number) ^ (1 << (bit & 7));
    assert.equal(OffsetIndex.decode(bad, 3, 9000), undefined, `bit ${bit}`);
  }
  for (let length = 0; length < bytes.length; length++) {
    assert.equal(OffsetIndex.decode(bytes.slice(0, length), 3, 9000), undefined);
  }
});

test("a cut forgets what lies at or after a place", () => {
  const index = filled(10);
  index.cut(5 * 4096);
  assert.equal(index.rows, 5);
  const times = new TimeIndex();
  for (let i = 0; i < 10; i++) times.add(1000 + i, i * 10);
  times.cut(50);
  assert.equal(times.rows, 5);
});

test("a time finds an offset from which everything later follows", () => {
  const times = new TimeIndex();
  for (const [at, offset] of [
    [1000, 0],
    [1000, 10],
    [1005, 20],
  ] as const) {
    times.add(at, offset);
  }
  assert.equal(times.offsetBefore(1000), undefined);
  assert.equal(times.offsetBefore(1001), 10);
  assert.equal(times.offsetBefore(9999), 20);
  const bytes = times.encode(77);
  assert.equal(TimeIndex.decode(bytes, 77)?.offsetBefore(1001), 10);
  assert.equal(TimeIndex.decode(bytes, 78), undefined);
});
