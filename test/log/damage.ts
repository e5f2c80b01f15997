import assert from "node:assert/strict";
import { decodeBatch, ProglogError, seededRandom } from "../../src/base/index.ts";
import type { Log, LogOptions } from "../../src/log/index.ts";
import { FaultDisk } from "../../sim/disk/index.ts";
import { ManualClock } from "./manual-clock.ts";
import { appendBatch, DIRECTORY, openOn, prepare } from "./workload.ts";

export const SEGMENT: string = `${DIRECTORY}/00000000000000000001`;
export const ONE_SEGMENT: Partial<LogOptions> = { segmentBytesMax: 1 << 20 };

export interface Image {
  readonly disk: FaultDisk;
  readonly values: readonly string[];
  /** The first offset of each group that was written. */
  readonly groups: readonly number[];
}

/** A segment of about `bytes`, in groups of two batches, closed in order or killed. */
export async function image(bytes: number, end: "closed" | "killed" | "idle"): Promise<Image> {
  const disk = new FaultDisk({ random: seededRandom(5) });
  await prepare(disk);
  const clock = new ManualClock();
  const log = await openOn(disk, { ...ONE_SEGMENT, clock });
  const values: string[] = [];
  const groups: number[] = [];
  for (let i = 0; log.sizeBytes < bytes; i++) {
    groups.push(log.nextOffset);
    const batches = [[`a${i}`, `b${i} ${"x".repeat(i * 3)}`], [`c${i}`]];
    for (const batch of batches) appendBatch(log, batch);
    values.push(...batches.flat());
    await log.sync();
  }
  if (end === "closed") await log.close();
  if (end === "idle") {
    clock.advance(1000);
    await log.saveHardState(log.hardState);
    await log.sync();
  }
  return { disk: disk.kill("none"), values, groups };
}

/** Reads everything: the value at each offset, or `undefined` where `DATA_LOSS` is the answer. */
export async function readEach(log: Log): Promise<(string | undefined)[]> {
  const found: (string | undefined)[] = [];
  const limitOffset = log.syncedOffset;
  while (found.length < limitOffset) {
    try {
      const batches = await log.readBatches(found.length, { maxBytes: 1 << 20, limitOffset });
      assert.ok(batches.length > 0, `offset ${found.length} is answered`);
      for (const record of batches.flatMap((batch) => decodeBatch(batch))) {
        if (record.offset < found.length) continue;
        assert.equal(record.offset, found.length, "offsets are dense");
        found.push(new TextDecoder().decode(record.value ?? undefined));
      }
    } catch (error) {
      assert.ok(error instanceof ProglogError && error.code === "DATA_LOSS", String(error));
      const toOffset = Number(error.details["to_offset"]);
      assert.ok(toOffset > found.length && toOffset <= limitOffset);
      while (found.length < toOffset) found.push(undefined);
    }
  }
  return found;
}

/** Nothing wrong is served, and what is lost lies in one group. */
export function checkDamage(
  found: readonly (string | undefined)[],
  from: Image,
  what: string,
): number {
  const lost = found.flatMap((value, offset) => (value === undefined ? [offset] : []));
  for (const [offset, value] of found.entries()) {
    if (value !== undefined) assert.equal(value, from.values[offset], `${what}, offset ${offset}`);
  }
  const groupOf = (offset: number): number => from.groups.findLastIndex((at) => at <= offset);
  assert.ok(new Set(lost.map(groupOf)).size <= 1, `${what}: offsets ${lost.join()} are lost`);
  return lost.length;
}
