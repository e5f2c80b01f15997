import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { test } from "node:test";
import { MemoryCommitLog } from "../../test/support/memory-commit-log.ts";
import { decodeConsumeBatchResponse, decodeConsumeResponse } from "../api/index.ts";
import {
  BATCH_ATTRIBUTES,
  BATCH_CODEC,
  BATCH_OVERHEAD_BYTES,
  crc32c,
  decodeBatch,
  encodeBatch,
  limits,
  ProglogError,
  splitBatches,
} from "../base/index.ts";
import { CONSUME_RESPONSES } from "./consume-stream.ts";
import { BATCHES } from "./tail-page.ts";
import type { RecordFormat } from "./tail-page.ts";
import type { TailSink } from "./tail-stream.ts";
import { Tails } from "./tails.ts";

/** A sink that remembers, and has room for as long as `room` says. */
class Sink implements TailSink {
  readonly chunks: Buffer[] = [];
  room = Infinity;
  ended = false;
  error: ProglogError | undefined;
  #wanted = { count: Infinity, reached: (): void => undefined };

  write(chunk: Buffer): boolean {
    this.chunks.push(chunk);
    if (this.chunks.length >= this.#wanted.count) this.#wanted.reached();
    return --this.room > 0;
  }

  end(): void {
    this.ended = true;
  }

  fail(error: ProglogError): void {
    this.error = error;
  }

  async until(count: number): Promise<void> {
    if (this.chunks.length >= count) return;
    await new Promise<void>((reached) => {
      this.#wanted = { count, reached };
    });
  }

  get offsets(): number[] {
    return this.chunks.map((chunk) => decodeConsumeResponse(chunk).offset);
  }
}

async function append(log: MemoryCommitLog, count: number): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, () => log.append({ value: Buffer.from("some bytes") })),
  );
}

/** Lets everything that can happen without new input happen. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const records = { format: CONSUME_RESPONSES, offset: 0 };

for (const cached of [true, false]) {
  const from = cached ? "memory" : "the disk";
  test(`a stream gets what is there from ${from}, then waits, and is woken`, async () => {
    const log = new MemoryCommitLog({ cached });
    const tails = new Tails(log);
    await append(log, 2_000);
    await append(log, 1);
    const sink = new Sink();
    const stream = tails.follow(sink, records);
    await sink.until(2_001);
    await append(log, 3);
    await sink.until(2_004);
    assert.deepEqual(sink.offsets, upTo(2_004));
    assert.equal(stream.offset, 2_004);
    stream.close();
    await append(log, 1);
    await settle();
    assert.equal(sink.chunks.length, 2_004);
    assert.equal(tails.count, 0);
  });
}

test("an offset that is not written yet is waited for", async () => {
  const log = new MemoryCommitLog();
  const sink = new Sink();
  new Tails(log).follow(sink, { ...records, offset: 5 });
  await append(log, 5);
  await settle();
  assert.equal(sink.chunks.length, 0);
  await append(log, 2);
  await sink.until(2);
  assert.deepEqual(sink.offsets, [5, 6]);
});

test("all readers of a record share its bytes, and those of one place one read", async () => {
  const log = new MemoryCommitLog({ cached: false });
  const tails = new Tails(log);
  await append(log, 100);
  let encoded = 0;
  const format: RecordFormat = {
    kind: "records",
    encode: (cursor, term) => {
      encoded += 1;
      return CONSUME_RESPONSES.encode(cursor, term);
    },
  };
  const sinks = upTo(50).map(() => new Sink());
  for (const sink of sinks) tails.follow(sink, { format, offset: 0 });
  for (const sink of sinks) await sink.until(100);
  assert.equal(encoded, 100);
  assert.equal(log.reads, 1);
  for (const sink of sinks) assert.equal(sink.chunks[99], sinks[0]?.chunks[99]);
});

test("streams at different places of one batch get their own records", async () => {
  const log = new MemoryCommitLog();
  const tails = new Tails(log);
  await append(log, 300);
  const sinks = upTo(30).map((at) => {
    const sink = new Sink();
    sink.room = 7;
    const stream = tails.follow(sink, { ...records, offset: at * 10 });
    const refill = setInterval(() => {
      sink.room = 7;
      stream.resume();
    }, 1);
    return { sink, at, refill };
  });
  for (const { sink, at, refill } of sinks) {
    await sink.until(300 - at * 10);
    clearInterval(refill);
    assert.deepEqual(sink.offsets, upTo(300).slice(at * 10));
  }
});

test("a full sink is left alone until it has room", async () => {
  const log = new MemoryCommitLog();
  await append(log, 100);
  const sink = new Sink();
  sink.room = 10;
  const stream = new Tails(log).follow(sink, records);
  await sink.until(10);
  await append(log, 1);
  await settle();
  assert.equal(sink.chunks.length, 10);
  sink.room = 5;
  stream.resume();
  await settle();
  assert.equal(sink.chunks.length, 15);
  sink.room = Infinity;
  stream.resume();
  await sink.until(101);
  assert.deepEqual(sink.offsets, upTo(101));
});

test("max_records and max_bytes end a stream", async () => {
  const log = new MemoryCommitLog();
  const tails = new Tails(log);
  await append(log, 50);
  const byRecords = new Sink();
  tails.follow(byRecords, { ...records, offset: 10, maxRecords: 7 });
  const byBytes = new Sink();
  tails.follow(byBytes, { ...records, maxBytes: 1 });
  await settle();
  assert.deepEqual([byRecords.ended, byRecords.offsets], [true, upTo(17).slice(10)]);
  assert.deepEqual([byBytes.ended, byBytes.offsets], [true, [0]]);
  assert.equal(tails.count, 0);
});

test("batches: whole ones, the first from before the offset, no more than asked for", async () => {
  const log = new MemoryCommitLog();
  const tails = new Tails(log);
  for (const size of [3, 4, 5, 6]) await append(log, size);
  const all = new Sink();
  tails.follow(all, { format: BATCHES, offset: 4 });
  const some = new Sink();
  tails.follow(some, { format: BATCHES, offset: 4, maxRecords: 4 });
  await settle();
  const offsetsOf = (sink: Sink): number[] =>
    sink.chunks
      .flatMap((chunk) => splitBatches(decodeConsumeBatchResponse(chunk).batches))
      .flatMap((batch) => decodeBatch(batch).map(({ offset }) => offset));
  assert.deepEqual(offsetsOf(all), upTo(18).slice(3));
  assert.deepEqual(offsetsOf(some), upTo(12).slice(3));
  assert.deepEqual([all.ended, some.ended], [false, true]);
});

test("below the start of the log: out of range at once, also when the start moves on", async () => {
  const log = new MemoryCommitLog();
  const tails = new Tails(log);
  await append(log, 20);
  const sink = new Sink();
  sink.room = 2;
  const stream = tails.follow(sink, records);
  await sink.until(2);
  log.lowestOffset = 10;
  stream.resume();
  const late = new Sink();
  tails.follow(late, { ...records, offset: 9 });
  await settle();
  assert.equal(sink.error?.code, "OFFSET_OUT_OF_RANGE");
  assert.deepEqual(late.error?.details, { offset: "9", lowest: "10", highest: "19", next: "20" });
});

test("a read that fails ends the streams that waited for it", async () => {
  const log = new MemoryCommitLog({ cached: false });
  await append(log, 5);
  log.read = () => Promise.reject(new ProglogError("DATA_LOSS", "gone"));
  const tails = new Tails(log);
  const sinks = [new Sink(), new Sink()];
  for (const sink of sinks) tails.follow(sink, records);
  await settle();
  for (const { error } of sinks) assert.equal(error?.code, "DATA_LOSS");
  assert.equal(tails.count, 0);
});

test("more places than may be read at once are all served, and closing early frees the slot", async () => {
  const log = new MemoryCommitLog({ cached: false });
  const tails = new Tails(log);
  for (let batch = 0; batch < 3 * limits.tailReadsMax; batch++) await append(log, 2);
  const count = 6 * limits.tailReadsMax;
  const sinks = upTo(count).map((offset) => {
    const sink = new Sink();
    const stream = tails.follow(sink, { ...records, offset });
    return { sink, offset, stream };
  });
  await new Promise(setImmediate);
  for (const { stream, offset } of sinks) if (offset % 3 === 0) stream.close();
  for (const { sink, offset } of sinks) {
    if (offset % 3 === 0) {
      assert.equal(sink.chunks.length, 0);
      continue;
    }
    await sink.until(count - offset);
    assert.deepEqual(sink.offsets, upTo(count).slice(offset));
  }
});

test("a compressed batch is served inflated, record by record", async () => {
  const log = new MemoryCommitLog();
  const plain = encodeBatch(
    upTo(10).map((at) => ({ value: Buffer.from(`value ${at}`) })),
    { nowMs: 1 },
  );
  const inner = gzipSync(plain.subarray(BATCH_OVERHEAD_BYTES));
  const batch = new Uint8Array(BATCH_OVERHEAD_BYTES + inner.length);
  batch.set(plain.subarray(0, BATCH_OVERHEAD_BYTES));
  batch.set(inner, BATCH_OVERHEAD_BYTES);
  const view = new DataView(batch.buffer);
  view.setInt32(8, batch.length - 12);
  view.setInt16(21, BATCH_CODEC.gzip & BATCH_ATTRIBUTES.codecMask);
  view.setUint32(17, crc32c(batch, 21));
  await append(log, 1);
  await log.appendBatch(batch);
  await append(log, 1);
  const sink = new Sink();
  new Tails(log).follow(sink, records);
  await sink.until(12);
  assert.deepEqual(sink.offsets, upTo(12));
  const values = sink.chunks.map((chunk) => decodeConsumeResponse(chunk).value);
  assert.equal(Buffer.from(values[10] ?? []).toString(), "value 9");
});

test("one turn of the loop is short, however many wait", async () => {
  const log = new MemoryCommitLog();
  let nowMs = 0;
  // Every look at the clock costs a tenth of a turn.
  const clock = { now: () => 0, monotonic: () => (nowMs += limits.tailTurnMs / 10) };
  const tails = new Tails(log, { ...clock, after: () => () => undefined });
  const sinks = upTo(100).map(() => new Sink());
  for (const sink of sinks) tails.follow(sink, records);
  await settle();
  await append(log, 1);
  await new Promise(setImmediate);
  const served = sinks.filter(({ chunks }) => chunks.length > 0).length;
  assert.ok(served < 20, String(served));
  for (const sink of sinks) await sink.until(1);
});

test("waiting for an offset: resolved by a commit, rejected by a signal, by the end, by too many", async () => {
  const log = new MemoryCommitLog();
  const tails = new Tails(log);
  const waiting = tails.waitFor(1);
  await append(log, 2);
  await waiting;
  await tails.waitFor(0);

  const controller = new AbortController();
  const aborted = tails.waitFor(9, controller.signal);
  controller.abort();
  await assert.rejects(aborted, { code: "CANCELLED" });
  assert.equal(tails.count, 0);

  const ended = tails.waitFor(9);
  const sink = new Sink();
  tails.follow(sink, { ...records, offset: 9 });
  const goodbye = new ProglogError("UNAVAILABLE", "bye");
  tails.close(goodbye);
  await assert.rejects(ended, goodbye);
  assert.equal(sink.error, goodbye);
  await assert.rejects(tails.waitFor(9), goodbye);
  assert.throws(() => tails.follow(sink, records), goodbye);
  assert.equal(log.listeners, 0);
});
