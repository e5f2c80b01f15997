import { rm } from "node:fs/promises";
import { join } from "node:path";
import { openLog } from "../../src/log/open-log.ts";
import { syncedWritesPerSecond } from "../support/raw-writes.ts";
import { ratedAgainst } from "../support/result.ts";
import type { RowResult } from "../support/result.ts";
import { pairsOf } from "../support/row.ts";
import type { Row, RowContext } from "../support/row.ts";
import { inPairs } from "../support/statistics.ts";
import { Checker, VALUE_BYTES, VALUE_POOL } from "../support/values.ts";

const BATCH_RECORDS = 500;
/** While one batch is being synced the next is encoded, and each still has a sync of its own. */
const IN_FLIGHT = 2;

/** Made before, and used again and again: batch n holds what record 500 n and its followers hold. */
const BATCHES: readonly (readonly { readonly value: Buffer }[])[] = Array.from(
  { length: VALUE_POOL.length / BATCH_RECORDS },
  (_, n) =>
    VALUE_POOL.slice(n * BATCH_RECORDS, (n + 1) * BATCH_RECORDS).map((value) => ({ value })),
);

/** Appends of the engine alone, against writing and syncing the same bytes with nothing around. */
async function run(context: RowContext): Promise<RowResult[]> {
  const batches = context.quick ? 1_000 : 4_000;
  let groupBytes = 0;
  const ours = async (): Promise<number> => {
    const done = await append(context, batches);
    groupBytes = done.groupBytes;
    return done.recordsPerSecond;
  };
  const raw = async (): Promise<number> => {
    const writes = { bytes: groupBytes, count: batches };
    return BATCH_RECORDS * (await syncedWritesPerSecond(context.directory, writes));
  };
  const measured = await inPairs(pairsOf(context), ours, raw);
  const note =
    `the limit is fs.write + fs.fdatasync of ${groupBytes} bytes, one after the other; ` +
    `${batches} batches a round, ${IN_FLIGHT} appends in flight, a sync for each`;
  const named = {
    row: `embedded append, ${VALUE_BYTES} B x ${BATCH_RECORDS}, fsync per batch`,
    unit: "records/s",
    note,
  };
  return [ratedAgainst(named, measured, { is: ">=", bound: 0.5 })];
}

interface Appended {
  readonly recordsPerSecond: number;
  /** What one batch takes in the file, everything included. */
  readonly groupBytes: number;
}

async function append(context: RowContext, batches: number): Promise<Appended> {
  const directory = join(context.directory, "log");
  const records = batches * BATCH_RECORDS;
  const log = await openLog(directory);
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < batches) {
      const n = next++;
      const from = n * BATCH_RECORDS;
      const { baseOffset } = await log.append(BATCHES[n % BATCHES.length] ?? []);
      if (baseOffset !== from) throw new Error(`offset ${baseOffset} came instead of ${from}`);
    }
  };
  const startMs = performance.now();
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  const seconds = (performance.now() - startMs) / 1000;
  const groupBytes = Math.round(log.engine.sizeBytes / batches);
  await log.close();
  if (context.check) await check(directory, records);
  await rm(directory, { recursive: true });
  return { recordsPerSecond: records / seconds, groupBytes };
}

async function check(directory: string, count: number): Promise<void> {
  const checker = new Checker("embedded append");
  const log = await openLog(directory);
  for await (const { offset, value } of log.records()) checker.take(value, offset);
  await log.close();
  checker.end(count);
}

export const row: Row = { run };
