import assert from "node:assert/strict";
import { test } from "node:test";
import { ProglogError, seededRandom } from "../../src/base/index.ts";
import { FaultDisk } from "../../sim/disk/index.ts";
import type { DiskErrorCode } from "../../sim/disk/index.ts";
import { CRASHES, labelled, recoversFrom, run } from "./crash-points.ts";
import { appendBatch, openOn, prepare, readAll } from "./workload.ts";

test("killed or cut off at every call: nothing acknowledged is lost, nothing invented", async () => {
  const whole = await run(1, () => undefined);
  assert.equal(whole.error, undefined);
  const calls = whole.disk.callCount;
  assert.ok(calls > 150, `${calls} calls`);
  for (let at = 1; at <= calls; at++) {
    for (const [i, crash] of [undefined, ...CRASHES].entries()) {
      // Each way at every third call, and each call in two or three ways.
      if ((at + i) % 3 !== 0) continue;
      const { disk, journal } = await run(at * 10 + i, (each) => each.stopAfter(at));
      const next = crash === undefined ? disk.kill() : disk.crash(crash);
      await labelled(`call ${at}, ${JSON.stringify(crash ?? "kill")}`, () =>
        recoversFrom(next, journal),
      );
    }
  }
});

test("cut off again at every call of the recovery", async () => {
  const whole = await run(1, () => undefined);
  for (let at = 1; at <= whole.disk.callCount; at += 7) {
    const { disk, journal } = await run(at, (each) => each.stopAfter(at));
    const first = disk.crash({ keep: "random" });
    await prepare(first);
    const probe = first.clone();
    await openOn(probe);
    for (let stop = 1; stop <= probe.callCount; stop += 2) {
      const second = first.clone();
      second.stopAfter(stop);
      await Promise.race([openOn(second), second.stopped]);
      await labelled(`call ${at}, then ${stop} of the recovery`, () =>
        recoversFrom(second.crash({ keep: "random" }), journal),
      );
    }
  }
});

for (const code of ["EIO", "ENOSPC"] as const satisfies readonly DiskErrorCode[]) {
  for (const always of [false, true]) {
    test(`every call fails ${always ? "from then on" : "once"} with ${code}`, async () => {
      const whole = await run(1, () => undefined);
      // Calls that `run` makes before the workload are not meant.
      const calls = whole.disk.calls.slice(4);
      for (let nth = 1; nth <= calls.length; nth++) {
        const { disk, journal, error } = await run(nth, (each) => {
          each.inject({ nth, always }, { error: code, keep: nth % 40 });
        });
        const clone = disk.clone();
        if (error instanceof ProglogError && error.notAppended) journal.before = journal.after;
        // A journal that cannot write a directory shuts its file system down: only after a power cut
        // does anybody look at it again.
        const isDirectory = calls[nth - 1]?.kind === "syncDirectory";
        const cut = disk.crash({ keep: "random" });
        for (const next of isDirectory || nth % 2 === 0 ? [cut] : [clone]) {
          await labelled(`call ${nth}`, () => recoversFrom(next, journal));
        }
      }
    });
  }
}

test("a full disk is survived: the append is taken back, and the next one that fits succeeds", async () => {
  const disk = new FaultDisk({ random: seededRandom(3) });
  await prepare(disk);
  const log = await openOn(disk);
  appendBatch(log, ["before"]);
  await log.sync();
  for (let nth = 1; nth <= 12; nth++) {
    const match = { kind: ["write", "open"], path: /\.(log|side\.tmp|index)$/, nth } as const;
    const injection = disk.inject(match, { error: "ENOSPC", keep: 30 });
    for (let i = 0; injection.hits === 0 && i < 40; i++) {
      const before = await readAll(log);
      appendBatch(log, [`value ${nth} ${i} ${"y".repeat(300)}`]);
      try {
        await log.sync();
      } catch (error) {
        assert.ok(error instanceof ProglogError);
        assert.equal(error.code, "RESOURCE_EXHAUSTED");
        assert.equal(error.notAppended, true);
        assert.deepEqual(await readAll(log), before);
      }
    }
    injection.remove();
  }
  const found = await readAll(log);
  assert.deepEqual(await readAll(await openOn(disk.crash({ keep: "none" }))), found);
});
