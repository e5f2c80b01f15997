import { rm } from "node:fs/promises";
import { join } from "node:path";
import { limits } from "../../src/base/index.ts";
import { openLog } from "../../src/log/open-log.ts";
import { Child } from "../support/child.ts";
import { rated, told } from "../support/result.ts";
import type { RowResult } from "../support/result.ts";
import type { Row, RowContext } from "../support/row.ts";
import { median } from "../support/statistics.ts";
import { Checker } from "../support/values.ts";

const MB = 1e6;
const SIZES = [
  { name: "10 MB", bytes: 10 * MB },
  { name: "1 GB", bytes: 1_000 * MB },
  { name: "10 GB", bytes: 10_000 * MB },
] as const;

/** Batches of the bulk, and of the segment that is scanned after a kill: small ones are the worst. */
const BULK_BATCH_RECORDS = 500;
const LAST_BATCH_RECORDS = 10;

/** As much of the last segment as may be waiting to be scanned. */
const LAST_SEGMENT_BYTES = 0.95 * limits.segmentBytesMax;

interface Opened {
  readonly ms: number;
  readonly residentMB: number;
}

/** How long opening takes by the log's length, after either kind of end. Both must stay flat. */
async function run(context: RowContext): Promise<RowResult[]> {
  const results: RowResult[] = [];
  let smallestMB = 0;
  for (const { name, bytes } of SIZES) {
    if (bytes > 1_000 * MB && !context.full) continue;
    const directory = join(context.directory, "log");
    const { clean, killed, checked } = await openings(directory, bytes, context);
    const cleanMB = median(clean.map((opened) => opened.residentMB));
    smallestMB ||= cleanMB;
    const how = `of ${clean.length} openings in fresh processes, files in the page cache${checked}`;
    results.push(
      rated(
        { row: `open ${name} after a clean stop`, unit: "ms", note: `median ${how}` },
        median(clean.map(({ ms }) => ms)),
        { is: "<", bound: 200 },
      ),
      rated(
        {
          row: `open ${name} after kill -9`,
          unit: "ms",
          note:
            `median ${how}; the last segment is ${Math.round(lastBytes(bytes) / MB)} MB of ` +
            `batches of ${LAST_BATCH_RECORDS} records; worst ${Math.round(worst(killed))} ms`,
        },
        median(killed.map(({ ms }) => ms)),
        { is: "<", bound: 2_000 },
      ),
      told(
        {
          row: `memory with ${name} open`,
          unit: "MB",
          note: "the limit is that of the smallest log",
        },
        cleanMB,
        smallestMB,
      ),
    );
    await rm(directory, { recursive: true });
  }
  return results;
}

const worst = (opened: readonly Opened[]): number => Math.max(...opened.map(({ ms }) => ms));

const lastBytes = (bytes: number): number => Math.min(bytes, LAST_SEGMENT_BYTES);

async function openings(directory: string, bytes: number, context: RowContext) {
  const times = context.quick ? 3 : 5;
  {
    await using builder = await Child.start("log-process", [directory]);
    await builder.call("open", { fsync: false });
    await builder.call("fill", { bytes, batchRecords: BULK_BATCH_RECORDS });
  }
  const clean: Opened[] = [];
  for (let n = 0; n < times; n++) {
    await using child = await Child.start("log-process", [directory]);
    clean.push((await child.call("open", { fsync: true })) as Opened);
  }
  const first = await Child.start("log-process", [directory]);
  await first.call("open", { fsync: true });
  await first.call("fill", { bytes: lastBytes(bytes), batchRecords: LAST_BATCH_RECORDS });
  let nextOffset = (await first.call("nextOffset")) as number;
  await first.kill();
  const killed: Opened[] = [];
  for (let n = 0; n < times; n++) {
    const child = await Child.start("log-process", [directory]);
    killed.push((await child.call("open", { fsync: true })) as Opened);
    const kept = (await child.call("nextOffset")) as number;
    if (kept < nextOffset) throw new Error(`${nextOffset} records were durable, ${kept} are there`);
    await child.call("fill", { bytes: 1, batchRecords: LAST_BATCH_RECORDS });
    nextOffset = (await child.call("nextOffset")) as number;
    await child.kill();
  }
  if (context.check) await check(directory, nextOffset);
  return { clean, killed, checked: context.check ? `, ${nextOffset} records checked` : "" };
}

/** Lanes append side by side, but each batch begins with the record that its first offset asks for. */
async function check(directory: string, count: number): Promise<void> {
  const checker = new Checker("open log");
  await using log = await openLog(directory);
  for await (const { value, offset } of log.records()) checker.take(value, offset);
  checker.end(Math.max(count, log.nextOffset));
}

export const row: Row = { run };
