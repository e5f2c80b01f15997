import assert from "node:assert/strict";
import { test } from "node:test";
import { FENCE_BYTES } from "../../src/log/index.ts";
import type { Log } from "../../src/log/index.ts";
import type { FaultDisk } from "../../sim/disk/index.ts";
import { checkDamage, image, ONE_SEGMENT, readEach, SEGMENT } from "./damage.ts";
import { appendBatch, DIRECTORY, openOn, readAll } from "./workload.ts";

test("bits of a closed segment, one of each byte: no wrong byte is served, no record outside its group is lost", async () => {
  const from = await image(4096, "closed");
  const bits = from.disk.medium.bytes(`${SEGMENT}.log`).length * 8;
  let detected = 0;
  for (let bit = 0; bit < bits; bit += 8) {
    const disk = from.disk.clone();
    disk.medium.flipBit(`${SEGMENT}.log`, bit + ((bit / 8) % 8));
    const log = await openOn(disk, ONE_SEGMENT);
    const found = await readEach(log);
    assert.equal(found.length, from.values.length, `bit ${bit}: nothing is cut`);
    if (checkDamage(found, from, `bit ${bit}`) > 0) detected++;
  }
  assert.ok(detected > bits / 16, `${detected} of ${bits / 8} flips cost a record`);
});

for (let inByte = 0; inByte < 8; inByte++) {
  test(`bit ${inByte} of every byte of a segment that was not closed: only the last group may go`, async () => {
    const from = await image(4096, "killed");
    const bytes = from.disk.medium.bytes(`${SEGMENT}.log`).length;
    const lastGroup = from.groups[from.groups.length - 1] as number;
    for (let byte = 0; byte < bytes; byte++) {
      const disk = from.disk.clone();
      disk.medium.flipBit(`${SEGMENT}.log`, byte * 8 + inByte);
      const log = await openOn(disk, ONE_SEGMENT);
      const found = await readEach(log);
      assert.ok(found.length >= lastGroup, `byte ${byte}: ${found.length} offsets`);
      checkDamage(found, from, `byte ${byte}`);
      if (byte % 16 === 0) await goesOn(log, found);
    }
  });
}

test("every bit of what was idle: the fence and the mark know that it was durable", async () => {
  const from = await image(1200, "idle");
  const bits = from.disk.medium.bytes(`${SEGMENT}.log`).length * 8;
  for (let bit = 0; bit < bits; bit += 3) {
    const disk = from.disk.clone();
    disk.medium.flipBit(`${SEGMENT}.log`, bit);
    const log = await openOn(disk, ONE_SEGMENT);
    const found = await readEach(log);
    assert.equal(found.length, from.values.length, `bit ${bit}: nothing is cut`);
    checkDamage(found, from, `bit ${bit}`);
    if (bit % 64 === 0) await goesOn(log, found);
  }
});

/** A damaged log takes appends, and gives them back after the next start. */
async function goesOn(log: Log, found: readonly (string | undefined)[]): Promise<void> {
  const offset = log.nextOffset;
  appendBatch(log, ["after the damage"]);
  await log.sync();
  assert.deepEqual(await readEach(log), [...found, "after the damage"]);
  await log.close();
  assert.equal(log.nextOffset, offset + 1);
}

for (const name of ["index", "time", "side"] as const) {
  test(`every bit of the .${name}: it is made anew, and every record is there`, async () => {
    const from = await image(4096, "closed");
    const path = `${SEGMENT}.${name}`;
    const bits = from.disk.medium.bytes(path).length * 8;
    for (let bit = 0; bit < bits; bit++) {
      const disk = from.disk.clone();
      disk.medium.flipBit(path, bit);
      // Without the closing state the damaged file is needed.
      if (bit % 2 === 0) disk.medium.flipBit(`${DIRECTORY}/raft.state`, (16384 + 20) * 8);
      const log = await openOn(disk, ONE_SEGMENT);
      assert.deepEqual(await readEach(log), from.values, `bit ${bit}`);
    }
  });
}

test("an index that is missing, cut, grown or another segment's is made anew", async () => {
  const from = await image(4096, "closed");
  const path = `${SEGMENT}.index`;
  const length = from.disk.medium.bytes(path).length;
  const meddles: ((disk: FaultDisk) => void)[] = [
    (disk) => disk.medium.remove(path),
    (disk) => disk.medium.resize(path, length - 1),
    (disk) => disk.medium.resize(path, length + 4096),
    (disk) => disk.medium.load(path, from.disk.medium.bytes(`${SEGMENT}.time`)),
  ];
  for (const meddle of meddles) {
    const disk = from.disk.clone();
    meddle(disk);
    const log = await openOn(disk, ONE_SEGMENT);
    assert.equal(log.recovery.clean, false);
    assert.deepEqual(await readEach(log), from.values);
  }
});

test("every bit of raft.state: the other copy answers, the mark may be lost, no record is", async () => {
  const from = await image(600, "closed");
  const path = `${DIRECTORY}/raft.state`;
  const before = (await openOn(from.disk.clone(), ONE_SEGMENT)).hardState;
  for (const start of [0, 8192, 16384]) {
    for (let bit = start * 8; bit < (start + 200) * 8; bit += 3) {
      const disk = from.disk.clone();
      disk.medium.flipBit(path, bit);
      const log = await openOn(disk, ONE_SEGMENT);
      assert.deepEqual(log.hardState, before, `bit ${bit}`);
      assert.deepEqual(await readEach(log), from.values, `bit ${bit}`);
    }
  }
});

test("every cut of the last group: what is whole stays, nothing acknowledged before it goes", async () => {
  const from = await image(1500, "killed");
  const path = `${SEGMENT}.log`;
  const length = from.disk.medium.bytes(path).length;
  const lastGroup = from.groups[from.groups.length - 1] as number;
  for (const fill of [undefined, 0, 0xa5]) {
    for (let cut = length; cut >= length - 300; cut--) {
      const disk = from.disk.clone();
      disk.medium.resize(path, cut);
      if (fill !== undefined) {
        disk.medium.resize(path, length + 77);
        disk.medium.overwrite(path, cut, new Uint8Array(length + 77 - cut).fill(fill));
      }
      const log = await openOn(disk, ONE_SEGMENT);
      assert.deepEqual(log.recovery.damage, [], `cut at ${cut}`);
      const found = await readAll(log);
      const count = found.values.length;
      assert.deepEqual(found.values, from.values.slice(0, count));
      if (cut === length) assert.equal(count, from.values.length);
      if (cut >= length - FENCE_BYTES) assert.ok(count >= lastGroup, `cut at ${cut}`);
      appendBatch(log, ["next"]);
      await log.sync();
      const again = await openOn(disk.crash({ keep: "none" }), ONE_SEGMENT);
      assert.deepEqual((await readAll(again)).values, [...found.values, "next"]);
    }
  }
});

test("a log cut short below the mark is damage: the offsets are never given to others", async () => {
  const from = await image(1500, "closed");
  const path = `${SEGMENT}.log`;
  const length = from.disk.medium.bytes(path).length;
  for (let cut = 0; cut < length; cut += 13) {
    const disk = from.disk.clone();
    disk.medium.resize(path, cut);
    const log = await openOn(disk, ONE_SEGMENT);
    assert.equal(log.nextOffset, from.values.length, `cut at ${cut}`);
    const found = await readEach(log);
    for (const [offset, value] of found.entries()) {
      if (value !== undefined) assert.equal(value, from.values[offset]);
    }
    await goesOn(log, found);
  }
});
