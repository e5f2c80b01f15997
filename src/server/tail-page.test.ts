import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { decodeConsumeResponse } from "../api/index.ts";
import { BATCH_CODEC, BATCH_OVERHEAD_BYTES, crc32c, encodeBatch, limits } from "../base/index.ts";
import { CONSUME_RESPONSES } from "./consume-stream.ts";
import { asPlainRun, inflateRun } from "./inflate.ts";
import { PageCache, RecordPage, trimBatches } from "./tail-page.ts";
import type { Page } from "./tail-page.ts";

function batchOf(baseOffset: number, count: number, leaderEpoch = 1): Uint8Array {
  const records = Array.from({ length: count }, (_, at) => ({
    value: Buffer.from(String(baseOffset + at)),
  }));
  return encodeBatch(records, { nowMs: 1, baseOffset, leaderEpoch });
}

function gzipped(batch: Uint8Array): Uint8Array {
  const inner = gzipSync(batch.subarray(BATCH_OVERHEAD_BYTES));
  const packed = Buffer.concat([batch.subarray(0, BATCH_OVERHEAD_BYTES), inner]);
  packed.writeInt32BE(packed.length - 12, 8);
  packed.writeInt16BE(BATCH_CODEC.gzip, 21);
  packed.writeUInt32BE(crc32c(packed, 21), 17);
  return packed;
}

test("a page gives any of its records, forward, again, and from before", () => {
  const batches = [batchOf(5, 3, 1), batchOf(8, 1, 2), batchOf(9, 4, 3)];
  const page = new RecordPage(CONSUME_RESPONSES, { batches, inflated: undefined });
  assert.deepEqual([page.startOffset, page.endOffset], [5, 13]);
  const order = [5, 6, 7, 8, 9, 10, 11, 12, 12, 5, 8, 7, 9, 12, 6];
  for (const keep of [false, true]) {
    for (const offset of order) {
      const record = decodeConsumeResponse(page.chunkAt(offset, keep));
      assert.equal(record.offset, offset);
      assert.equal(Buffer.from(record.value ?? []).toString(), String(offset));
      assert.equal(record.term, offset < 8 ? 1 : offset < 9 ? 2 : 3);
    }
  }
  assert.equal(page.chunkAt(6, true), page.chunkAt(6, true));
});

test("what is compressed is inflated first, and no more of it than memory allows", async () => {
  const compressed = gzipped(batchOf(3, 3));
  const batches = [batchOf(0, 3), compressed];
  assert.equal(asPlainRun(batches), undefined);
  assert.deepEqual(asPlainRun([batchOf(0, 3)])?.batches.length, 1);
  const page = new RecordPage(CONSUME_RESPONSES, await inflateRun(batches));
  assert.equal(decodeConsumeResponse(page.chunkAt(4, false)).offset, 4);

  // Each of these is small, and inflates to a sixteenth of what may be inflated at once.
  const value = Buffer.alloc(limits.recordBytesMax, "x");
  const large = encodeBatch([{ value }], { nowMs: 1 });
  const bombs = Array.from({ length: 20 }, () => gzipped(large));
  const run = await inflateRun(bombs);
  assert.equal(run.batches.length, Math.ceil(limits.inflatedBatchBytesMax / large.length));

  const broken = Uint8Array.from(compressed);
  broken.fill(0, BATCH_OVERHEAD_BYTES);
  await assert.rejects(inflateRun([broken]), { code: "CORRUPT_BATCH" });
});

test("batches are trimmed to what is wanted, never to nothing", () => {
  const batches = [batchOf(0, 3), batchOf(3, 3), batchOf(6, 3)];
  const size = batches[0]?.length ?? 0;
  const kept = (offset: number, records: number, bytes: number): number =>
    trimBatches(batches, offset, records, bytes).length;
  assert.equal(kept(0, Infinity, Infinity), 3);
  assert.equal(kept(0, 1, Infinity), 1);
  assert.equal(kept(0, 3, Infinity), 1);
  assert.equal(kept(1, 3, Infinity), 2);
  assert.equal(kept(0, Infinity, 1), 1);
  assert.equal(kept(0, Infinity, size + 1), 2);
});

test("the cache finds pages by their first offset, and forgets the longest unused", () => {
  const cache = new PageCache();
  const pageAt = (startOffset: number): Page => ({
    startOffset,
    endOffset: startOffset + 10,
    bytes: limits.tailPagesBytesMax / 4,
    chunkAt: () => randomBytes(1),
    after: (offset) => offset + 1,
  });
  for (const start of [0, 10, 20, 30]) cache.keep(pageAt(start));
  assert.equal(cache.find(0, 9)?.startOffset, 0);
  assert.equal(cache.find(0, 10), undefined);
  cache.keep(pageAt(0));
  cache.keep(pageAt(40));
  assert.equal(cache.find(10, 10), undefined);
  assert.ok(cache.find(0, 0));
  // A page above the limit stays for as long as nobody else comes.
  cache.keep({ ...pageAt(50), bytes: 2 * limits.tailPagesBytesMax });
  assert.ok(cache.find(50, 50));
  assert.equal(cache.find(40, 40), undefined);
});
