/** Mistakes that random programs found in the engine, each as a story of its own. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ProglogError, seededRandom } from "../../src/base/index.ts";
import { encodeLogStart, ENTRY_TYPE } from "../../src/log/index.ts";
import type { Log, LogStart } from "../../src/log/index.ts";
import { FaultDisk } from "../../sim/disk/index.ts";
import { ManualClock } from "./manual-clock.ts";
import { appendBatch, DIRECTORY, openOn, prepare, readAll } from "./workload.ts";

const SMALL_SEGMENTS = { segmentBytesMax: 300 };

async function newDisk(seed = 1): Promise<FaultDisk> {
  const disk = new FaultDisk({ random: seededRandom(seed) });
  await prepare(disk);
  return disk;
}

/** One entry a group, and so several to a segment of 300 bytes at most. */
async function append(log: Log, ...values: readonly string[]): Promise<void> {
  for (const value of values) {
    appendBatch(log, [value]);
    await log.sync();
  }
}

/** One entry fills a segment. */
function wide(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `wide ${i} ${"w".repeat(200)}`);
}

/** Lets everything happen that waits for nothing but its turn. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function appendStart(log: Log, start: LogStart): Promise<void> {
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
}

test("a cut, and a close, wait for what nobody asked to be synced", async () => {
  const disk = await newDisk();
  const log = await openOn(disk);
  await append(log, "a", "b");
  appendBatch(log, ["c"]);
  appendBatch(log, ["d"]);
  await log.truncateBack(4);
  assert.deepEqual((await readAll(log)).values, ["a", "b", "c"]);
  appendBatch(log, ["e"]);
  await log.close();
  assert.deepEqual((await readAll(await openOn(disk))).values, ["a", "b", "c", "e"]);
});

test("a segment without entries is never followed by another of the same name", async () => {
  const disk = await newDisk();
  const clock = new ManualClock();
  const log = await openOn(disk, { ...SMALL_SEGMENTS, clock });
  await append(log, "a");
  await log.truncateBack(1);
  // An idle fence more, and the next entry has no room beside the two.
  clock.advance(1000);
  await turn();
  await append(log, ...wide(2));
  const start = { index: 1, offset: 0, retentionBytes: 0, retentionMs: 1 };
  await appendStart(log, start);
  await log.startAt(start);
  assert.deepEqual((await readAll(log)).values, wide(2));
  assert.deepEqual((await readAll(await openOn(disk.clone()))).values, wide(2));
});

for (const where of ["front", "back"] as const) {
  test(`a power cut takes no segment out of its turn when many go at the ${where}`, async () => {
    const count = 22;
    const fill = async (seed: number): Promise<{ disk: FaultDisk; log: Log }> => {
      const disk = await newDisk(seed);
      const log = await openOn(disk, SMALL_SEGMENTS);
      await append(log, ...wide(count));
      if (where === "front") await appendStart(log, log.logStartAt(count - 2));
      return { disk, log };
    };
    const cut = (log: Log): Promise<unknown> =>
      where === "front" ? log.startAt(log.control.logStart) : log.truncateBack(3);
    for (let calls = 1; calls < 20; calls++) {
      const { disk, log } = await fill(calls);
      disk.stopAfter(disk.callCount + calls);
      await Promise.race([cut(log), disk.stopped]);
      const next = disk.crash({ keep: "random", directories: "random" });
      const { values, lowest } = await readAll(await openOn(next, SMALL_SEGMENTS));
      assert.deepEqual(values.slice(lowest), wide(count).slice(lowest, values.length));
      assert.ok(where === "back" ? values.length >= 2 : values.length === count);
    }
  });
}

test("what is said not to be in the log is cut off durably before anybody is told", async () => {
  const disk = await newDisk();
  const log = await openOn(disk);
  await append(log, "a");
  disk.inject({ kind: "write", path: ".log" }, { error: "ENOSPC", keep: 1000 });
  for (const value of ["refused", "x".repeat(2000)]) appendBatch(log, [value]);
  let kinds: string[] = [];
  const told = log.sync().catch((error: unknown) => {
    kinds = disk.calls.filter(({ path }) => path.endsWith(".log")).map(({ kind }) => kind);
    throw error;
  });
  await assert.rejects(told, { code: "RESOURCE_EXHAUSTED", notAppended: true });
  assert.ok(kinds.lastIndexOf("sync") > kinds.lastIndexOf("truncate"), kinds.join());
  assert.deepEqual((await readAll(await openOn(disk.crash({ keep: "all" })))).values, ["a"]);
});

test("bits of a later segment's .side: it is made anew, and every record is there", async () => {
  const disk = await newDisk();
  const log = await openOn(disk);
  const values = Array.from({ length: 20 }, (_, i) => `value ${i} ${"x".repeat(60)}`);
  await append(log, ...values);
  const { firstIndex } = log;
  const side = disk.medium.names(DIRECTORY).findLast((name) => name.endsWith(".side")) ?? "";
  assert.ok(Number.parseInt(side, 10) > firstIndex, "there are several segments");
  const path = `${DIRECTORY}/${side}`;
  for (let bit = 0; bit < disk.medium.bytes(path).length * 8; bit += 13) {
    const damaged = disk.clone();
    damaged.medium.flipBit(path, bit);
    const found = await openOn(damaged);
    assert.deepEqual((await readAll(found)).values, values, `bit ${bit}`);
    await append(found, "next");
    const again = await openOn(damaged.crash({ keep: "none" }));
    assert.deepEqual((await readAll(again)).values, [...values, "next"], `bit ${bit}`);
  }
});

test("a cut whose end is in the page cache alone takes nothing that is appended later", async () => {
  const values = ["a", "b", "c", "d", "e", "f"];
  for (let calls = 1; calls < 20; calls++) {
    for (let seed = 1; seed <= 5; seed++) {
      const disk = await newDisk(seed);
      const log = await openOn(disk);
      await append(log, ...values);
      disk.stopAfter(disk.callCount + calls);
      await Promise.race([log.truncateBack(4), disk.stopped]);
      const killed = disk.kill();
      const next = await openOn(killed);
      const { values: kept } = await readAll(next);
      await append(next, "later");
      const again = await openOn(killed.crash({ keep: "none" }));
      const what = `killed after ${calls} calls, seed ${seed}`;
      assert.deepEqual((await readAll(again)).values, [...kept, "later"], what);
    }
  }
});

for (const from of [3, 6]) {
  test(`with fsync relaxed a cut from ${from} and a power cut leave a prefix, not damage`, async () => {
    const values = ["a", "b", "c", "d", "e", "f"];
    for (let calls = 1; calls < 16; calls++) {
      const disk = await newDisk(calls);
      const clock = new ManualClock();
      const log = await openOn(disk, { fsync: false, clock });
      await append(log, ...values.slice(0, 4));
      clock.advance(1000);
      await turn();
      await log.saveHardState(log.hardState); // Syncs the mark, which is in the same file.
      await append(log, ...values.slice(4));
      disk.stopAfter(disk.callCount + calls);
      await Promise.race([log.truncateBack(from), disk.stopped]);
      const next = await openOn(disk.crash({ keep: "none" }), { fsync: false });
      assert.deepEqual(next.recovery.damage, [], `stopped after ${calls} calls`);
      const found = await readAll(next);
      assert.deepEqual(found.values, values.slice(0, found.values.length));
      assert.ok(found.values.length >= Math.min(from - 1, 4));
    }
  });
}

test("with fsync relaxed all that was not synced is written again after a failed sync", async () => {
  const disk = await newDisk();
  const clock = new ManualClock();
  const options = { fsync: false, clock, segmentBytesMax: 1 << 20 };
  const log = await openOn(disk, options);
  const values = wide(30); // Three pages.
  await append(log, ...values);
  disk.inject({ kind: "sync" }, { error: "EIO" });
  clock.advance(1000);
  await turn();
  assert.equal(log.failure?.code, "STORAGE_FAILED");
  const restarted = disk.clone();
  assert.deepEqual((await readAll(await openOn(restarted, options))).values, values);
  const cut = restarted.crash({ keep: "none" });
  assert.deepEqual((await readAll(await openOn(cut, options))).values, values);
});

test("a log start that is cut off is not in force any more", async () => {
  const disk = await newDisk();
  const log = await openOn(disk);
  await append(log, "a", "b", "c");
  await appendStart(log, log.logStartAt(2));
  const again = await openOn(disk.kill());
  assert.equal(again.lowestOffset, 2);
  await again.truncateBack(4);
  assert.equal(again.lowestOffset, 0);
  assert.deepEqual((await readAll(again)).values, ["a", "b", "c"]);
});

test("a disk that is full while nothing is appended: no harm, and the log can be closed", async () => {
  const disk = await newDisk();
  const clock = new ManualClock();
  const log = await openOn(disk, { clock });
  await append(log, "a", "b");
  disk.inject(
    { kind: ["write", "open"], path: /\.(log|side\.tmp|index|time)$/, always: true },
    { error: "ENOSPC", keep: 9 },
  );
  const before = disk.callCount;
  for (let i = 0; i < 40; i++) {
    clock.advance(20);
    await turn();
  }
  assert.ok(disk.callCount - before < 20, `${disk.callCount - before} calls of the disk`);
  assert.equal(log.failure, undefined);
  assert.deepEqual((await readAll(log)).values, ["a", "b"]);
  await log.close();
  const again = await openOn(disk.clone());
  assert.equal(again.recovery.tornBytes, 0);
  assert.deepEqual((await readAll(again)).values, ["a", "b"]);
});

test("a start says STORAGE_FAILED whichever call of the disk fails", async () => {
  const whole = await newDisk();
  await (await openOn(whole)).close();
  const killed = (await newDisk()).kill();
  for (const from of [killed, whole]) {
    for (let nth = 1; nth < 60; nth++) {
      const disk = from.clone();
      const injection = disk.inject({ nth }, { error: "EIO" });
      const failed = await openOn(disk).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (injection.hits === 0) break;
      // A failure that costs nothing (an index to be made anew, the free space unknown) is no failure.
      const isOurs = failed instanceof ProglogError && failed.code === "STORAGE_FAILED";
      assert.ok(failed === undefined || isOurs, `call ${nth}: ${String(failed)}`);
    }
  }
});

test("a cut whose call fails, and then the power: all of it or none, never damage", async () => {
  const cut = async (seed: number, nth: number): Promise<FaultDisk> => {
    const disk = await newDisk(seed);
    const log = await openOn(disk, { segmentBytesMax: 20_000 });
    // Beyond a page: a half cut leaves whole frames behind a hole.
    for (let i = 0; i < 40; i++) await append(log, `${i} ${"x".repeat(100)}`);
    const keepIndex = log.lastIndex - 25;
    disk.inject({ kind: ["sync", "truncate", "write"], nth }, { error: "EIO", keep: 100 });
    await log.truncateBack(keepIndex + 1).catch(() => undefined);
    await log.close().catch(() => undefined);
    return disk;
  };
  for (let nth = 1; nth <= 6; nth++) {
    for (let seed = 1; seed <= 40; seed++) {
      const disk = await cut(seed, nth);
      for (const crash of [
        { keep: "random", directories: "ordered", blockBytes: 512 },
        { keep: "random", blockBytes: 4096 },
        { keep: "none" },
      ] as const) {
        const again = await openOn(disk.crash(crash), { segmentBytesMax: 20_000 });
        const what = `call ${nth}, seed ${seed}, ${JSON.stringify(crash)}`;
        assert.deepEqual(again.recovery.damage, [], what);
        const { values } = await readAll(again);
        assert.ok(
          values.length === 40 || values.length === 15,
          `${what}: ${values.length} records`,
        );
        // What comes after it has come to stay, whatever was under way before.
        await append(again, "after");
        await again.close();
      }
    }
  }
});
