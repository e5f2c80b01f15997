import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { FaultDisk } from "../../sim/disk/index.ts";
import { ManualClock } from "../../test/log/manual-clock.ts";
import { limits, ProglogError, seededRandom } from "../base/index.ts";
import { openDataDirectory } from "./data-directory.ts";
import { ENTRY_TYPE } from "./entry-type.ts";
import { Log } from "./log.ts";
import { openLog } from "./open-log.ts";
import type { EmbeddedLog, OpenLogOptions } from "./open-log.ts";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array | null): string => new TextDecoder().decode(bytes ?? undefined);

async function withLog(
  work: (log: EmbeddedLog, directory: string) => Promise<void>,
  options: OpenLogOptions = {},
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "proglog-open-"));
  try {
    const log = await openLog(directory, { freeBytesMin: 0, ...options });
    await work(log, directory);
    await log.close();
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function valuesOf(log: EmbeddedLog, from?: number | Date): Promise<string[]> {
  const values: string[] = [];
  for await (const record of log.records(from === undefined ? {} : { from })) {
    values.push(decode(record.value));
  }
  return values;
}

// What the book's log tests say, as behaviour.

test("a record is appended and read back", () =>
  withLog(async (log) => {
    const { baseOffset } = await log.append([{ value: encode("hello world") }]);
    assert.equal(baseOffset, 0);
    const record = await log.read(0);
    assert.equal(decode(record.value), "hello world");
    assert.equal(record.offset, 0);
  }));

test("an offset outside of the log is refused, with what the log has", () =>
  withLog(async (log) => {
    await log.append([{ value: encode("a") }]);
    for (const offset of [1, 2 ** 52]) {
      await assert.rejects(log.read(offset), (error) => {
        assert.ok(error instanceof ProglogError);
        assert.equal(error.code, "OFFSET_OUT_OF_RANGE");
        assert.match(error.message, /The requested offset is outside of the log/);
        assert.deepEqual(error.details, { offset: String(offset), lowest: "0", highest: "0" });
        return true;
      });
    }
    for (const offset of [-1, 0.5, Number.NaN]) {
      await assert.rejects(log.read(offset), { code: "INVALID_ARGUMENT" });
    }
  }));

test("a log is initialised with the segments that exist", () =>
  withLog(async (log, directory) => {
    for (const value of ["one", "two", "three"]) await log.append([{ value: encode(value) }]);
    assert.deepEqual([log.lowestOffset, log.nextOffset], [0, 3]);
    await log.close();
    const again = await openLog(directory, { freeBytesMin: 0 });
    assert.deepEqual([again.lowestOffset, again.nextOffset], [0, 3]);
    assert.deepEqual(await valuesOf(again), ["one", "two", "three"]);
    await again.close();
  }));

test("the front is truncated: what is below is refused, what is above stays", () =>
  withLog(
    async (log) => {
      for (let i = 0; i < 200; i++) await log.append([{ value: encode(`value ${i}`) }]);
      await log.truncateFront(100);
      await assert.rejects(log.read(99), { code: "OFFSET_OUT_OF_RANGE" });
      assert.equal(decode((await log.read(100)).value), "value 100");
      assert.equal(log.lowestOffset, 100);
      assert.equal((await valuesOf(log)).length, 100);
    },
    { segmentBytesMax: 4096 },
  ));

test("the back is truncated at a batch, and offsets go on from there", () =>
  withLog(async (log) => {
    await log.append([{ value: encode("a") }, { value: encode("b") }]);
    await log.append([{ value: encode("c") }]);
    await assert.rejects(log.truncateBack(1), { code: "INVALID_ARGUMENT" });
    await log.truncateBack(2);
    assert.equal((await log.append([{ value: encode("d") }])).baseOffset, 2);
    assert.deepEqual(await valuesOf(log), ["a", "b", "d"]);
  }));

test("what retention looked at can still be cut; what a server committed cannot", async () => {
  const clock = new ManualClock();
  await withLog(
    async (log, directory) => {
      await log.append([{ value: encode("a") }]);
      await log.append([{ value: encode("b") }]);
      clock.advance(limits.retentionIntervalMs);
      for (let turn = 0; turn < 100 && log.engine.lastIndex === 2; turn++) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      assert.equal(log.engine.lastIndex, 3, "the rule for retention is an entry of its own");
      await log.truncateBack(1);
      assert.deepEqual(await valuesOf(log), ["a"]);
      log.engine.setCommitIndex(log.engine.lastIndex);
      await log.append([{ value: encode("c") }]);
      await log.close();
      const again = await openLog(directory, { freeBytesMin: 0 });
      await assert.rejects(again.truncateBack(0), { code: "CONFIGURATION" });
      assert.deepEqual(await valuesOf(again), ["a", "c"]);
      await again.close();
    },
    { clock, retentionBytes: 1 << 20 },
  );
});

test("a segment of a size that no index can describe is refused", async () => {
  const directory = await mkdtemp(join(tmpdir(), "proglog-open-"));
  try {
    for (const segmentBytesMax of [8 * 2 ** 30, Number.NaN, 0]) {
      await assert.rejects(openLog(directory, { segmentBytesMax }), { code: "CONFIGURATION" });
    }
  } finally {
    await rm(directory, { recursive: true });
  }
});

test("a reset log begins at 0 again; a removed one leaves nothing", () =>
  withLog(async (log, directory) => {
    await log.append([{ value: encode("a") }]);
    await log.reset();
    assert.deepEqual([log.lowestOffset, log.nextOffset], [0, 0]);
    assert.equal((await log.append([{ value: encode("b") }])).baseOffset, 0);
    assert.deepEqual(await valuesOf(log), ["b"]);
    await log.remove();
    assert.deepEqual(await readdir(directory).catch(() => []), []);
  }));

test("a reader gives the bytes of every batch", () =>
  withLog(async (log) => {
    for (let i = 0; i < 50; i++) await log.append([{ value: encode(`value ${i}`) }]);
    let bytes = 0;
    for await (const chunk of log.reader()) bytes += (chunk as Uint8Array).length;
    let expected = 0;
    for await (const batch of log.batches()) expected += batch.length;
    assert.equal(bytes, expected);
  }));

test("a page is read ahead: who stops early leaves no read behind, and a failure has its turn", () =>
  withLog(async (log) => {
    for (let i = 0; i < 4; i++) await log.append([{ value: encode(`value ${i}`) }]);
    const { engine } = log;
    const read = engine.readBatches.bind(engine);
    let [reads, pending] = [0, 0];
    let failsAt = Infinity;
    let goOn = (): void => undefined;
    const secondMay = new Promise<void>((resolve) => (goOn = resolve));
    engine.readBatches = async (...args) => {
      reads += 1;
      if (reads === failsAt) throw new ProglogError("DATA_LOSS", "the third page");
      pending += 1;
      try {
        if (reads === 2) await secondMay;
        return await read(...args);
      } finally {
        pending -= 1;
      }
    };
    const stopped = log.batches({ maxBytes: 1 });
    await stopped.next();
    assert.deepEqual([reads, pending], [2, 1]);
    const end = stopped.return();
    goOn();
    await end;
    assert.deepEqual([reads, pending], [2, 0]);

    failsAt = 5;
    let batches = 0;
    await assert.rejects(async () => {
      for await (const batch of log.batches({ maxBytes: 1 })) batches += Math.sign(batch.length);
    }, /the third page/);
    assert.equal(batches, 2);
  }));

test("callers at the same time share groups, and each gets its own offset", () =>
  withLog(async (log) => {
    const answers = await Promise.all(
      Array.from({ length: 500 }, (_, i) => log.append([{ value: encode(`value ${i}`) }])),
    );
    assert.deepEqual(
      answers.map(({ baseOffset }) => baseOffset),
      Array.from({ length: 500 }, (_, i) => i),
    );
    assert.equal((await valuesOf(log)).length, 500);
  }));

test("records are found from a time on", () => {
  let now = 1000;
  const clock = {
    now: () => now,
    monotonic: () => performance.now(),
    after: () => () => undefined,
  };
  return withLog(
    async (log) => {
      for (; now < 1100; now += 10) await log.append([{ value: encode(String(now)) }]);
      assert.deepEqual(await valuesOf(log, new Date(1075)), ["1080", "1090"]);
      assert.deepEqual(await valuesOf(log, new Date(5000)), []);
    },
    { clock },
  );
});

test("a second opener is refused while the first lives, and welcome after", () =>
  withLog(async (log, directory) => {
    await assert.rejects(openLog(directory), { code: "LOCKED" });
    await log.close();
    await (await openLog(directory)).close();
  }));

test("a log that was there and of which nothing is left is not begun anew (A14)", () =>
  withLog(async (log, directory) => {
    await log.append([{ value: encode("kept") }]);
    await log.close();
    const logDirectory = join(directory, "logs", "default");
    const content = Buffer.alloc(24 * 1024);
    for (const left of [[], ["raft.state"]]) {
      await rm(logDirectory, { recursive: true });
      await mkdir(logDirectory);
      for (const name of left) await writeFile(join(logDirectory, name), content);
      await assert.rejects(openLog(directory), { code: "DATA_LOSS", message: /nothing of it is/ });
      assert.deepEqual(await readdir(logDirectory), left);
    }
  }));

test("a first start that was interrupted at any call is no loss, and one that ended is", async () => {
  const logDirectory = "/data/logs/default";
  for (const how of ["kill", "power"] as const) {
    for (let stop = 0, calls = 1; stop <= calls; stop++) {
      const disk = new FaultDisk({ random: seededRandom(stop) });
      disk.stopAfter(stop);
      const opened = openLog("/data", { disk, freeBytesMin: 0 }).then((log) =>
        log.append([{ value: encode("a") }]),
      );
      const first = await Promise.race([opened, disk.stopped]);
      calls = Math.max(calls, disk.callCount);
      const after = how === "kill" ? disk.kill() : disk.crash({ keep: "random" });
      const again = await openLog("/data", { disk: after, freeBytesMin: 0 });
      if (first !== undefined) assert.deepEqual(await valuesOf(again), ["a"]);
      await again.close();
      for (const name of await after.list(logDirectory))
        await after.unlink(join(logDirectory, name));
      await assert.rejects(openLog("/data", { disk: after }), { code: "DATA_LOSS" });
    }
  }
});

test("a removal that was interrupted at any call leaves no log that was lost", async () => {
  for (let stop = 0, calls = 1; stop <= calls; stop++) {
    const disk = new FaultDisk({ random: seededRandom(stop) });
    const log = await openLog("/data", { disk, freeBytesMin: 0 });
    await log.append([{ value: encode("a") }]);
    const before = disk.callCount;
    disk.stopAfter(before + stop);
    await Promise.race([log.remove(), disk.stopped]);
    calls = Math.max(calls, disk.callCount - before);
    const after = disk.crash({ keep: "random" });
    const left = await after.list("/data/logs/default").catch(() => []);
    if (left.length > 0) continue;
    await (await openLog("/data", { disk: after, freeBytesMin: 0 })).close();
  }
});

test("a log with idempotent producers is refused: their table would be lost", () =>
  withLog(async (log, directory) => {
    await log.close();
    const data = await openDataDirectory(directory);
    const engine = await Log.open({ directory: data.logDirectory("default"), freeBytesMin: 0 });
    engine.append({
      index: 1,
      term: 1,
      type: ENTRY_TYPE.producerCreated,
      baseOffset: 0,
      appendedAt: 1,
      recordCount: 0,
      payload: new Uint8Array(12),
    });
    await engine.sync();
    await data.close();
    await assert.rejects(openLog(directory), { code: "CONFIGURATION" });
    await engine.close();
  }));
