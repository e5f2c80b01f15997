import assert from "node:assert/strict";
import { seededRandom } from "../../src/base/index.ts";
import { FaultDisk } from "../../sim/disk/index.ts";
import type { CrashOptions } from "../../sim/disk/index.ts";
import {
  appendBatch,
  checkAllowed,
  newJournal,
  openOn,
  prepare,
  readAll,
  Workload,
} from "./workload.ts";
import type { Journal } from "./workload.ts";

export interface Run {
  readonly disk: FaultDisk;
  readonly journal: Journal;
  readonly error: unknown;
}

/** Runs the workload; `meddle` arranges what shall go wrong. */
export async function run(seed: number, meddle: (disk: FaultDisk) => void): Promise<Run> {
  const disk = new FaultDisk({ random: seededRandom(seed) });
  const journal = newJournal();
  await prepare(disk);
  meddle(disk);
  const ended = new Workload(disk, journal).run().then(
    () => undefined,
    (error: unknown) => error,
  );
  const error = await Promise.race([ended, disk.stopped]);
  return { disk, journal, error };
}

/**
 * The next start finds what was promised, goes on from there, and what it has shown to anyone
 * outlives the next power cut.
 */
export async function recoversFrom(disk: FaultDisk, journal: Journal): Promise<void> {
  await prepare(disk);
  const log = await openOn(disk);
  assert.deepEqual(log.recovery.damage, []);
  const found = await readAll(log);
  checkAllowed(found, log.nextOffset, journal);
  const shown = disk.clone();
  appendBatch(log, ["the next"]);
  await log.sync();
  const cut = disk.crash({ keep: "none" });
  const again = await openOn(cut);
  const values = found.values.slice();
  values[log.syncedOffset - 1] = "the next";
  assert.deepEqual(await readAll(again), { ...found, values });
  const unsynced = await openOn(shown.crash({ keep: "none" }));
  assert.deepEqual(await readAll(unsynced), found);
}

export const CRASHES: readonly CrashOptions[] = [
  { keep: "none" },
  { keep: "all" },
  { keep: "none", directories: "all" },
  { keep: "all", directories: "none" },
  { keep: "random", directories: "random" },
  { keep: "random", directories: "ordered", blockBytes: 512 },
];

export async function labelled(what: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (cause) {
    throw new Error(`${what}: ${String(cause)}`, { cause });
  }
}
