import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { decodeBatch, encodeBatch, stampBatch } from "../base/index.ts";
import { ENTRY_TYPE } from "./entry-type.ts";
import type { Entry } from "./entry-type.ts";
import { encodeLogStart } from "./log-start.ts";
import type { LogStart } from "./log-start.ts";
import { Log } from "./log.ts";
import type { LogOptions } from "./options.ts";
import { realDisk } from "./real-disk.ts";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

/** The next entry of a log: a batch of text records. */
function batchEntry(log: Log, values: readonly string[], appendedAt = 1): Entry {
  const payload = encodeBatch(
    values.map((value) => ({ value: text(value) })),
    { nowMs: appendedAt },
  );
  stampBatch(payload, log.nextOffset, 1);
  return {
    index: log.lastIndex + 1,
    term: 1,
    type: ENTRY_TYPE.records,
    baseOffset: log.nextOffset,
    appendedAt,
    recordCount: values.length,
    payload,
  };
}

async function withDirectory(work: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "proglog-log-"));
  try {
    await work(directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}

const open = (directory: string, options: Partial<LogOptions> = {}): Promise<Log> =>
  Log.open({ directory, scrubBytesPerSecond: 0, freeBytesMin: 0, ...options });

async function valuesFrom(log: Log, offset: number): Promise<string[]> {
  const values: string[] = [];
  for (let at = offset; at < log.syncedOffset;) {
    const options = { maxBytes: 1000, limitOffset: log.syncedOffset };
    const batches = await log.readBatches(at, options);
    assert.ok(batches.length > 0, `something is read at ${at}`);
    for (const batch of batches) {
      for (const record of decodeBatch(batch)) {
        if (record.offset < at) continue;
        assert.equal(record.offset, at, "offsets are dense");
        values.push(new TextDecoder().decode(record.value ?? undefined));
        at++;
      }
    }
  }
  return values;
}

const numbered = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `record ${i} ${"x".repeat(i % 50)}`);

async function fill(log: Log, values: readonly string[], perBatch = 3): Promise<void> {
  for (let i = 0; i < values.length; i += perBatch) {
    log.append(batchEntry(log, values.slice(i, i + perBatch), 1000 + i));
    await log.sync();
  }
}

/** Appends a log start and carries it out. */
async function startAt(log: Log, start: LogStart): Promise<void> {
  log.append({
    index: log.lastIndex + 1,
    term: 1,
    type: ENTRY_TYPE.logStart,
    baseOffset: log.nextOffset,
    appendedAt: log.lastAppendedAt,
    recordCount: 0,
    payload: encodeLogStart(start),
  });
  await log.sync();
  while ((await log.startAt(start)) > 0);
}

test("what was appended is read back, after a clean stop and over many segments", () =>
  withDirectory(async (directory) => {
    const values = numbered(300);
    const log = await open(directory, { segmentBytesMax: 4096 });
    await fill(log, values);
    assert.ok(log.segmentCount > 3);
    assert.deepEqual(await valuesFrom(log, 0), values);
    await log.close();
    const again = await open(directory, { segmentBytesMax: 4096, tailCacheBytesMax: 0 });
    assert.equal(again.recovery.clean, true);
    assert.equal(again.nextOffset, 300);
    assert.deepEqual(await valuesFrom(again, 0), values);
    await fill(again, ["one more"]);
    assert.deepEqual(await valuesFrom(again, 299), [values[299], "one more"]);
    await again.close();
  }));

test("a log that was not closed is scanned and goes on", () =>
  withDirectory(async (directory) => {
    const values = numbered(100);
    const first = await open(directory, { segmentBytesMax: 4096 });
    await fill(first, values);
    const log = await open(directory, { segmentBytesMax: 4096, tailCacheBytesMax: 0 });
    assert.equal(log.recovery.clean, false);
    assert.deepEqual(log.recovery.damage, []);
    assert.deepEqual(await valuesFrom(log, 0), values);
    await fill(log, ["next"]);
    assert.deepEqual(await valuesFrom(log, 100), ["next"]);
    await log.close();
    await first.close();
  }));

test("the front is removed by whole segments, and stays removed", () =>
  withDirectory(async (directory) => {
    const log = await open(directory, { segmentBytesMax: 4096 });
    await fill(log, numbered(300));
    const before = log.segmentCount;
    const start = log.logStartAt(150);
    await startAt(log, start);
    assert.ok(log.segmentCount < before);
    assert.equal(log.lowestOffset, 150);
    await assert.rejects(log.readBatches(149, { maxBytes: 1, limitOffset: 300 }), {
      code: "OFFSET_OUT_OF_RANGE",
    });
    assert.equal((await valuesFrom(log, 150)).length, 150);
    await log.close();
    const again = await open(directory, { segmentBytesMax: 4096 });
    assert.equal(again.lowestOffset, 150);
    assert.equal((await valuesFrom(again, 150)).length, 150);
    await again.close();
  }));

test("the back is cut, and what is appended then takes its place", () =>
  withDirectory(async (directory) => {
    const log = await open(directory, { segmentBytesMax: 4096 });
    const values = numbered(300);
    await fill(log, values);
    await log.truncateBack(31);
    assert.equal(log.nextOffset, 90);
    await fill(log, ["a", "b", "c"]);
    const expected = [...values.slice(0, 90), "a", "b", "c"];
    assert.deepEqual(await valuesFrom(log, 0), expected);
    const again = await open(directory, { segmentBytesMax: 4096 });
    assert.deepEqual(await valuesFrom(again, 0), expected);
    await again.close();
    await log.close();
  }));

test("a reset begins the log anew after a marker", () =>
  withDirectory(async (directory) => {
    const log = await open(directory);
    await fill(log, numbered(10));
    await log.reset({
      ...log.control,
      logStart: { index: 1001, offset: 5000, retentionBytes: 0, retentionMs: 0 },
      firstIndex: 1001,
      previousTerm: 1,
      nextOffset: 5000,
      appendedAt: 7,
      commitIndex: 1000,
      state: new Uint8Array(0),
    });
    assert.equal(log.lowestOffset, 5000);
    await fill(log, ["anew"]);
    assert.deepEqual(await valuesFrom(log, 5000), ["anew"]);
    await log.close();
    const again = await open(directory);
    assert.deepEqual(await valuesFrom(again, 5000), ["anew"]);
    assert.equal(again.lastIndex, 1001);
    await again.close();
    assert.ok((await readdir(directory)).includes("00000000000000001001.log"));
  }));

test("offsets are found by time", () =>
  withDirectory(async (directory) => {
    const log = await open(directory, { segmentBytesMax: 4096 });
    await fill(log, numbered(300));
    assert.equal(await log.offsetAtTime(0), 0);
    assert.equal(await log.offsetAtTime(1000 + 150), 150);
    assert.equal(await log.offsetAtTime(1000 + 151), 153);
    assert.equal(await log.offsetAtTime(2000), undefined);
    await log.close();
  }));

test("what is appended counts as taken before the disk is asked again: nobody eats up the reserve", async () => {
  await withDirectory(async (directory) => {
    const reserveBytes = 1 << 20;
    const disk = { ...realDisk, free: () => Promise.resolve(reserveBytes + 500) };
    const clock = { now: () => 1, monotonic: () => 1, after: () => () => undefined };
    const log = await open(directory, {
      disk,
      clock,
      freeBytesMin: reserveBytes,
      segmentBytesMax: 4096,
    });
    let count = 0;
    for (; count < 20 && log.admission() === undefined; count++) {
      log.append(batchEntry(log, ["x".repeat(100)]));
      await log.sync();
    }
    assert.equal(count, 3, "500 bytes hold two entries of 217 bytes, and a third is begun");
    assert.equal(log.admission()?.code, "RESOURCE_EXHAUSTED");
    await log.close();
  });
});

test("segments that are missing in front are missed, and those that were let go are not", () =>
  withDirectory(async (directory) => {
    const small = { segmentBytesMax: 4096 };
    const log = await open(directory, small);
    await fill(log, numbered(300));
    await startAt(log, log.logStartAt(60));
    await log.close();
    const again = await open(directory, small);
    assert.equal(again.lowestOffset, 60);
    // The log start is cut off, but what it let go is gone.
    await again.truncateBack(again.lastIndex);
    await again.close();
    const cut = await open(directory, small);
    assert.ok(cut.lowestOffset > 0 && cut.lowestOffset <= 60);
    const first = String(cut.firstIndex).padStart(20, "0");
    await cut.close();
    for (const extension of ["log", "index", "time", "side"]) {
      await rm(join(directory, `${first}.${extension}`));
    }
    await assert.rejects(open(directory, small), { code: "DATA_LOSS", message: /is missing/ });
  }));

test("indexes that are made anew know what is written meanwhile", () =>
  withDirectory(async (directory) => {
    const log = await open(directory, { tailCacheBytesMax: 0 });
    await fill(log, numbered(50));
    const large = "y".repeat(300_000);
    await fill(log, Array<string>(60).fill(large));
    const [segment] = await readdir(directory).then((names) =>
      names.filter((name) => name.endsWith(".log")),
    );
    const path = join(directory, segment ?? "");
    const bytes = await readFile(path);
    const at = bytes.indexOf("record 20") + 3;
    const file = await realDisk.open(path, "write");
    await file.write(Uint8Array.of((bytes[at] ?? 0) ^ 1), at);
    await file.close();
    const options = { maxBytes: 1000, limitOffset: log.syncedOffset };
    const reads = Promise.allSettled([20, 19, 20].map((at) => log.readBatches(at, options)));
    for (let term = 2; term < 40; term++) {
      log.append({ ...batchEntry(log, [`of term ${term}`]), term });
      await log.sync();
    }
    assert.deepEqual(new Set((await reads).map(({ status }) => status)), new Set(["rejected"]));
    for (let term = 2; term < 40; term++) {
      assert.equal(await log.termAt(log.lastIndex - 39 + term), term);
    }
    assert.deepEqual(
      (await log.termRuns()).map((run) => run.term),
      [0, ...Array.from({ length: 39 }, (_, i) => i + 1)],
    );
    await log.close();
  }));

test("a log start never goes back, wherever segments begin here", () =>
  withDirectory(async (directory) => {
    const log = await open(directory, { segmentBytesMax: 4096 });
    await fill(log, numbered(300));
    const { firstIndex } = log;
    // As a leader with shorter segments would have decided it.
    await startAt(log, { ...log.logStartAt(30), index: firstIndex + 10 });
    assert.equal(log.logStartAt(31).index, firstIndex + 10);
    assert.ok(log.logStartAt(250).index > firstIndex + 10);
    await log.close();
  }));
