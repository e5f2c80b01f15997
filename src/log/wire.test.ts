import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { soleVoter } from "../base/index.ts";
import { ENTRY_TYPE } from "./entry-type.ts";
import type { Entry } from "./entry-type.ts";
import { ENTRY_HEADER_BYTES, writeEntry } from "./entry.ts";
import { logWire } from "./wire.ts";

const entries: fc.Arbitrary<Entry> = fc
  .record({
    index: fc.maxSafeNat(),
    term: fc.maxSafeNat(),
    baseOffset: fc.maxSafeNat(),
    appendedAt: fc.maxSafeNat(),
    recordCount: fc.nat(9),
    payload: fc.uint8Array(),
  })
  .map((shape) => ({ ...shape, type: ENTRY_TYPE.records }));

test("an entry has the same bytes on the wire as in a segment", () => {
  const property = fc.property(entries, (entry) => {
    const stored = new Uint8Array(ENTRY_HEADER_BYTES + entry.payload.length);
    writeEntry(stored, 0, entry);
    const header = new Uint8Array(ENTRY_HEADER_BYTES);
    logWire.writeHeader(header, 0, entry);
    assert.deepEqual(Buffer.concat([header, entry.payload]), Buffer.from(stored));
    const { entry: read, end } = logWire.read(stored, 0);
    assert.deepEqual({ ...read }, { ...entry });
    assert.equal(end, stored.length);
  });
  fc.assert(property);
});

test("a changed, a cut and a missing entry are refused", () => {
  const entry = fc.sample(entries, { numRuns: 1, seed: 1 })[0] as Entry;
  const bytes = new Uint8Array(ENTRY_HEADER_BYTES + entry.payload.length);
  writeEntry(bytes, 0, entry);
  for (let at = 0; at < bytes.length; at++) {
    const changed = Uint8Array.from(bytes);
    changed[at] = (changed[at] ?? 0) ^ 0x40;
    assert.throws(() => logWire.read(changed, 0), { code: "CORRUPT_BATCH" });
    assert.throws(() => logWire.read(bytes.subarray(0, at), 0), { code: "CORRUPT_BATCH" });
  }
  assert.throws(() => logWire.read(bytes, bytes.length), { code: "CORRUPT_BATCH" });
});

test("a marker comes back, and a changed one is refused", () => {
  const marker = {
    firstIndex: 5,
    previousTerm: 2,
    nextOffset: 9,
    appendedAt: 3,
    logStart: { index: 5, offset: 9, retentionBytes: 0, retentionMs: 0 },
    featureLevel: 1,
    commitIndex: 4,
    configurationIndex: 1,
    configuration: soleVoter({ replicaId: 7, name: "one" }),
    state: Uint8Array.of(1, 2, 3),
  };
  const bytes = logWire.encodeMarker(marker);
  assert.deepEqual(logWire.decodeMarker(bytes), marker);
  for (const at of [0, 20, 150, bytes.length - 1]) {
    const changed = Uint8Array.from(bytes);
    changed[at] = (changed[at] ?? 0) ^ 1;
    assert.throws(() => logWire.decodeMarker(changed), { code: "CORRUPT_BATCH" });
  }
  assert.throws(() => logWire.decodeMarker(bytes.subarray(0, 100)), { code: "CORRUPT_BATCH" });
});
