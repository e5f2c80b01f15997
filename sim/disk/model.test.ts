/** Random programs against a model of a few lines: arrays that are copied whole. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { below, chance, seededRandom, type Random } from "../../src/base/index.ts";
import type { DiskFile } from "../../src/log/index.ts";
import type { FaultDisk } from "./index.ts";
import { ManualClock, newDisk } from "./testing.ts";

/** One file as the model knows it. */
interface Model {
  now: Uint8Array;
  synced: Uint8Array;
  /** Bytes below this one were not touched since the sync, but for those in `written`. */
  untouched: number;
  /** Since the sync: what each position has held. */
  written: Map<number, Set<number>>;
}

const PATH = "/file";

function write(model: Model, bytes: Uint8Array, position: number): void {
  const grown = new Uint8Array(Math.max(model.now.length, position + bytes.length));
  grown.set(model.now);
  grown.set(bytes, position);
  model.now = grown;
  bytes.forEach((byte, i) => {
    const held = model.written.get(position + i) ?? new Set<number>();
    model.written.set(position + i, held.add(byte));
  });
}

function truncate(model: Model, length: number): void {
  const cut = new Uint8Array(length);
  cut.set(model.now.subarray(0, length));
  model.now = cut;
  model.untouched = Math.min(model.untouched, length);
}

function sync(model: Model): void {
  model.synced = model.now;
  model.untouched = model.now.length;
  model.written = new Map();
}

async function step(file: DiskFile, model: Model, random: Random): Promise<void> {
  const what = below(random, 10);
  if (what < 6) {
    const bytes = new Uint8Array(below(random, 3) === 0 ? below(random, 5_000) : below(random, 60));
    bytes.fill(1 + below(random, 255));
    const append = chance(random, 0.6);
    const position = append
      ? model.now.length
      : below(random, model.now.length + (chance(random, 0.1) ? 10_000 : 100));
    write(model, bytes, bytes.length === 0 ? 0 : position);
    await file.write(bytes, position);
  } else if (what < 8) {
    await file.sync();
    sync(model);
  } else {
    const length = below(random, model.now.length + 100);
    truncate(model, length);
    await file.truncate(length);
  }
}

/** What a power cut may leave of the file, by what the model knows. */
function checkSurvivor(after: Uint8Array, model: Model): void {
  const { synced, now, untouched, written } = model;
  assert.equal(after.length >= Math.min(untouched, synced.length), true, "nothing synced is cut");
  assert.equal(
    after.length <= Math.max(synced.length, now.length),
    true,
    "nothing grows by itself",
  );
  for (let at = 0; at < after.length; at++) {
    const byte = after[at] as number;
    const isOld = at < synced.length && byte === synced[at];
    const isCut = at >= untouched && byte === 0;
    const isJunk = at >= Math.min(untouched, synced.length);
    if (isOld || isCut || isJunk || written.get(at)?.has(byte) === true) continue;
    assert.fail(`byte ${at} is ${byte}, which it never was`);
  }
}

async function run(seed: number, disk: FaultDisk, steps: number): Promise<void> {
  const random = seededRandom(seed);
  disk.medium.load(PATH, new Uint8Array(0));
  const file = await disk.open(PATH, "write");
  const empty = new Uint8Array(0);
  const model: Model = { now: empty, synced: empty, untouched: 0, written: new Map() };
  for (let i = 0; i < steps; i++) {
    await step(file, model, random);
    assert.deepEqual(disk.medium.bytes(PATH), model.now, `seed ${seed}, step ${i}`);
    assert.deepEqual(disk.medium.bytes(PATH, "durable"), model.synced, `seed ${seed}, step ${i}`);
    if (i % 3 > 0) continue;
    const none = disk.clone().crash({ keep: "none" }).medium.bytes(PATH);
    assert.deepEqual(none, model.synced, `seed ${seed}, step ${i}`);
    const all = disk.clone().crash({ keep: "all" }).medium.bytes(PATH);
    assert.deepEqual(all, model.now, `seed ${seed}, step ${i}`);
    const unsynced = disk.medium.unsyncedBytes();
    const torn = disk.clone().crash({ keep: "torn", at: unsynced }).medium.bytes(PATH);
    assert.deepEqual(torn, model.now, `seed ${seed}, step ${i}`);
    for (const blockBytes of [512, 4096] as const) {
      const after = disk.clone().crash({ keep: "random", blockBytes }).medium.bytes(PATH);
      checkSurvivor(after, model);
    }
  }
}

test("a file is what was written to it, and a power cut leaves what it may", async () => {
  for (let seed = 1; seed <= 25; seed++) {
    await run(seed, newDisk({ random: seededRandom(seed + 1_000) }), 24);
  }
});

test("one seed, one history: calls, delays and the crash", async () => {
  const transcript = async (seed: number): Promise<string> => {
    const clock = new ManualClock();
    const disk = newDisk({ random: seededRandom(seed), clock });
    disk.delayMs = (_, random) => below(random, 20);
    disk.inject({ kind: "write", nth: 5 }, { flipBit: "random" });
    const hash = createHash("sha256");
    const order: number[] = [];
    const file = await advancing(clock, disk.open(PATH, "create"));
    const writes = Array.from({ length: 40 }, async (_, i) => {
      await file.write(new Uint8Array(3_000).fill(i), i * 2_000);
      order.push(i);
      if (i % 7 === 0) await file.sync();
    });
    await advancing(clock, Promise.all(writes));
    const last = file.write(new Uint8Array(5_000), 0);
    void last;
    const after = disk.crash({ keep: "random", directories: "all", blockBytes: 512 });
    hash.update(JSON.stringify([disk.calls, order])).update(after.medium.bytes(PATH));
    return hash.digest("hex");
  };
  for (let seed = 1; seed <= 5; seed++) {
    assert.equal(await transcript(seed), await transcript(seed));
  }
  assert.notEqual(await transcript(1), await transcript(2));
});

/** Lets the clock run until the work is done. */
async function advancing<T>(clock: ManualClock, work: Promise<T>): Promise<T> {
  const pending = Symbol("pending");
  for (let i = 0; i < 10_000; i++) {
    clock.advance(1);
    const turn = new Promise<typeof pending>((resolve) => setImmediate(resolve, pending));
    const outcome = await Promise.race([work, turn]);
    if (outcome !== pending) return outcome;
  }
  return assert.fail("the work does not end");
}
