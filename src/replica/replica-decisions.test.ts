import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeBatch, limits } from "../base/index.ts";
import type { AppendAnswer } from "../base/index.ts";
import type { AppendStream } from "../base/index.ts";
import { isPending, offsets, record, rejects, startFixture } from "./testing/harness.ts";

// --- idempotence ----------------------------------------------------------------------------------

test("the repetition of a committed batch gets the first answer", async () => {
  const { log, clock, replica } = await startFixture();
  const stamp = { ...(await replica.createProducer("p")), sequence: 0 };
  const batch = encodeBatch([record, record], { nowMs: 1, stamp });
  const first = await replica.appendBatch(batch.slice());
  clock.ms += 1_000;
  const entries = log.entries.length;
  assert.deepEqual(await replica.appendBatch(batch), { ...first, duplicate: true });
  assert.equal(log.entries.length, entries);
});

test("repetitions of a batch that is being written wait for it", async () => {
  const { log, replica } = await startFixture();
  const stamp = { ...(await replica.createProducer("p")), sequence: 0 };
  log.automatic = false;
  const together = [
    replica.append(record, { stamp }),
    replica.append(record, { stamp }),
    replica.append(record),
  ];
  await log.syncBegun();
  const later = replica.append(record, { stamp });
  assert.ok(await isPending(Promise.race([...together, later])));
  log.endSync();
  const [first, second, other] = await Promise.all(together);
  assert.deepEqual(second, { ...first, duplicate: true });
  assert.deepEqual([first?.duplicate, first?.baseOffset, other?.baseOffset], [false, 0, 1]);
  assert.deepEqual(await later, { ...first, duplicate: true });
  assert.equal(replica.highWatermark, 2);
});

test("a name taken over fences its earlier holder", async () => {
  const { replica } = await startFixture();
  const old = await replica.createProducer("p");
  await replica.append(record, { stamp: { ...old, sequence: 0 } });
  const next = await replica.createProducer("p");
  assert.deepEqual(next, { id: old.id, epoch: old.epoch + 1 });
  await rejects(
    replica.append(record, { stamp: { ...old, sequence: 1 } }),
    "PRODUCER_FENCED",
    true,
  );
  await replica.append(record, { stamp: { ...next, sequence: 0 } });
  assert.equal(replica.highWatermark, 2);
});

test("a takeover that is being written already fences", async () => {
  const { replica } = await startFixture();
  const old = await replica.createProducer("p");
  const [next, fenced] = await Promise.all([
    replica.createProducer("p"),
    rejects(replica.append(record, { stamp: { ...old, sequence: 0 } }), "PRODUCER_FENCED", true),
  ]);
  assert.equal(fenced.details["epoch"], "0");
  assert.equal(next.epoch, 1);
});

test("five batches of a producer are in flight, the sixth is refused and may come again", async () => {
  const { replica } = await startFixture();
  const producer = await replica.createProducer("");
  const send = (sequence: number): Promise<AppendAnswer> =>
    replica.append(record, { stamp: { ...producer, sequence } });
  const sent = [0, 1, 2, 3, 4].map(send);
  await rejects(send(5), "TOO_MANY_IN_FLIGHT", true);
  assert.deepEqual(offsets(await Promise.all(sent)), [0, 1, 2, 3, 4]);
  assert.equal((await send(5)).baseOffset, 5);
});

test("a refusal of a sequence waits for the batches that it was decided by", async () => {
  const { log, replica } = await startFixture();
  const producer = await replica.createProducer("");
  log.automatic = false;
  const first = replica.append(record, { stamp: { ...producer, sequence: 0 } });
  const gap = replica.append(record, { stamp: { ...producer, sequence: 2 } });
  const refused = rejects(gap, "SEQUENCE_GAP", true);
  await log.syncBegun();
  assert.ok(await isPending(gap));
  log.endSync();
  await Promise.all([first, refused]);
});

test("unknown producers, gaps and forgotten sequences are refused, and nothing is appended", async () => {
  const { log, replica } = await startFixture();
  const producer = await replica.createProducer("");
  const send = (sequence: number, id = producer.id): Promise<AppendAnswer> =>
    replica.append(record, { stamp: { ...producer, id, sequence } });
  for (let sequence = 0; sequence < 6; sequence++) await send(sequence);
  const entries = log.entries.length;
  await rejects(send(0, 4711), "UNKNOWN_PRODUCER", true);
  await rejects(send(7), "SEQUENCE_GAP", true);
  await rejects(send(0), "DUPLICATE_SEQUENCE", true);
  assert.equal(log.entries.length, entries);
});

// --- conditions -----------------------------------------------------------------------------------

test("of many appends for one offset exactly one wins, the others are told once it is sure", async () => {
  const { log, replica } = await startFixture();
  log.automatic = false;
  const appends = Array.from({ length: 10 }, () => replica.append(record, { expectedOffset: 0 }));
  await log.syncBegun();
  assert.ok(await isPending(Promise.race(appends)));
  log.endSync();
  const settled = await Promise.allSettled(appends);
  assert.deepEqual(
    settled.map(({ status }) => status),
    ["fulfilled", ...Array<string>(9).fill("rejected")],
  );
  for (const result of settled.slice(1)) {
    assert.ok(result.status === "rejected");
    const error = await rejects(Promise.reject(result.reason as Error), "OFFSET_MISMATCH", true);
    assert.deepEqual(error.details, { expected: "0", next: "1" });
  }
});

test("a refusal that nothing pending has a part in is told without a write", async () => {
  const { log, replica } = await startFixture();
  log.automatic = false;
  await rejects(replica.append(record, { expectedOffset: 9 }), "OFFSET_MISMATCH", true);
});

test("a repetition is recognised before its condition is looked at", async () => {
  const { replica } = await startFixture();
  const stamp = { ...(await replica.createProducer("")), sequence: 0 };
  const options = { stamp, expectedOffset: 0 };
  await replica.append(record, options);
  assert.equal((await replica.append(record, options)).duplicate, true);
});

test("behind a failed append of a stream nothing more of it is appended", async () => {
  const { log, replica } = await startFixture();
  const stream: AppendStream = {};
  const sent = [
    replica.append(record, { stream }),
    replica.append(record, { stream, expectedOffset: 5 }),
    replica.append(record, { stream }),
    replica.append(record),
  ];
  const results = Promise.allSettled(sent);
  const late = rejects(replica.append(record, { stream }), "OFFSET_MISMATCH", true);
  assert.deepEqual(
    (await results).map(({ status }) => status),
    ["fulfilled", "rejected", "rejected", "fulfilled"],
  );
  await late;
  await rejects(replica.append(record, { stream }), "OFFSET_MISMATCH", true);
  assert.equal(log.nextOffset, 2);
});

test("a batch that is malformed ends its stream as well", async () => {
  const { replica } = await startFixture();
  const stream: AppendStream = {};
  await rejects(replica.appendBatch(new Uint8Array(70), { stream }), "CORRUPT_BATCH", true);
  await rejects(replica.append(record, { stream }), "CORRUPT_BATCH", true);
});

// --- bad input ------------------------------------------------------------------------------------

test("bad arguments are refused before anything is decided", async () => {
  const { log, replica } = await startFixture();
  const bad = [
    replica.append(record, { expectedOffset: -1 }),
    replica.append(record, { expectedOffset: 1.5 }),
    replica.append(record, { stamp: { id: 1, epoch: 32_768, sequence: 0 } }),
    replica.append(record, { stamp: { id: 1, epoch: 0, sequence: 2_147_483_648 } }),
    replica.append(record, { stamp: { id: -1, epoch: 0, sequence: 0 } }),
    replica.append({ ...record, timestampMs: -5 }),
    replica.appendBatch(encodeBatch([record], { nowMs: 1 }), {
      stamp: { id: 1, epoch: 0, sequence: 0 },
    }),
    replica.createProducer("x".repeat(limits.producerNameBytesMax + 1)),
    replica.createProducer("\ud800"),
  ];
  for (const append of bad) await rejects(append, "INVALID_ARGUMENT", true);
  const value = new Uint8Array(limits.recordBytesMax + 1);
  await rejects(replica.append({ value }), "RECORD_TOO_LARGE", true);
  const batch = encodeBatch([record], { nowMs: 1 });
  batch[batch.length - 1] = 99;
  await rejects(replica.appendBatch(batch), "CORRUPT_BATCH", true);
  assert.equal(log.nextOffset, 0);
});
