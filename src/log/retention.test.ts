import assert from "node:assert/strict";
import { test } from "node:test";
import { planRetention } from "./retention.ts";
import type { SegmentFacts } from "./retention.ts";

/** Segments of ten entries, ten offsets and 100 bytes each; the k-th ends at time (k + 1) * 1000. */
function segments(count: number): SegmentFacts[] {
  return Array.from({ length: count }, (_, k) => ({
    sizeBytes: 100,
    end: { index: 1 + (k + 1) * 10, offset: (k + 1) * 10, term: 1, appendedAt: (k + 1) * 1000 },
  }));
}
const start = { index: 1, offset: 0, retentionBytes: 0, retentionMs: 0 };
const now = { timestampMs: 100_000, commitIndex: 1_000 };

test("nothing goes without a rule, and never the active segment", () => {
  assert.equal(planRetention(segments(50), start, now), undefined);
  assert.equal(planRetention(segments(1), { ...start, retentionBytes: 1 }, now), undefined);
});

test("by bytes: what is left is at least what was asked for", () => {
  const rule = { ...start, retentionBytes: 250 };
  assert.equal(planRetention(segments(3), rule, now), undefined);
  assert.deepEqual(planRetention(segments(4), rule, now), { ...rule, index: 11, offset: 10 });
});

test("by age: a segment goes when its last entry is too old", () => {
  const rule = { ...start, retentionMs: 98_500 };
  assert.equal(planRetention(segments(4), rule, now)?.offset, 10);
  assert.equal(planRetention(segments(4), { ...start, retentionMs: 99_000 }, now), undefined);
});

test("a clock that jumped takes at most a tenth at once, and one of few", () => {
  const rule = { ...start, retentionMs: 1 };
  const jumped = { ...now, timestampMs: 10 ** 12 };
  assert.equal(planRetention(segments(50), rule, jumped)?.offset, 50);
  assert.equal(planRetention(segments(5), rule, jumped)?.offset, 10);
});

test("never beyond what is committed", () => {
  const rule = { ...start, retentionMs: 1 };
  assert.equal(planRetention(segments(50), rule, { ...now, commitIndex: 25 })?.offset, 20);
  assert.equal(planRetention(segments(50), rule, { ...now, commitIndex: 5 }), undefined);
});

test("a start within a segment does not go back to the end of the one before it", () => {
  const within = { ...start, index: 1, offset: 13, retentionBytes: 100 };
  assert.deepEqual(planRetention(segments(4), within, now), { ...within, index: 11 });
});
