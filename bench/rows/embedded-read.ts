import { closeSync, openSync, readdirSync, readSync } from "node:fs";
import { join } from "node:path";
import { crc32c, limits, RecordCursor } from "../../src/base/index.ts";
import { openLog } from "../../src/log/open-log.ts";
import type { EmbeddedLog } from "../../src/log/open-log.ts";
import { ratedAgainst, told } from "../support/result.ts";
import type { RowResult } from "../support/result.ts";
import { pairsOf } from "../support/row.ts";
import type { Row, RowContext } from "../support/row.ts";
import { inPairs } from "../support/statistics.ts";
import { Checker, VALUE_BYTES, valueOf } from "../support/values.ts";

const BATCH_RECORDS = 500;

/** Reads from the start to the end, out of the page cache, each record decoded. */
async function run(context: RowContext): Promise<RowResult[]> {
  const records = context.quick ? 500_000 : 2_000_000;
  const directory = join(context.directory, "log");
  await using log = await openLog(directory, { fsync: false });
  for (let from = 0; from < records; from += BATCH_RECORDS) {
    const values = Array.from({ length: BATCH_RECORDS }, (_, n) => ({ value: valueOf(from + n) }));
    await log.append(values);
  }
  const store = join(directory, "logs", "default");
  const pairs = pairsOf(context);
  const pass = (): Promise<number> => Promise.resolve(readRaw(store, records));
  const inPlace = await inPairs(pairs, () => readInPlace(log), pass);
  const asObjects = await inPairs(pairs, () => readObjects(log), pass);
  if (context.check) await check(log);
  const note =
    `the limit reads ${limits.readChunkBytes / 1024} KiB at once and takes the CRC-32C of all; ` +
    `${records} records from the page cache`;
  return [
    ratedAgainst(
      {
        row: `embedded read, ${VALUE_BYTES} B, sequential, decoded`,
        unit: "records/s",
        note: `batches() and a RecordCursor over each; ${note}`,
      },
      inPlace,
      { is: ">=", bound: 0.5 },
    ),
    told(
      {
        row: `embedded read, ${VALUE_BYTES} B, sequential, an object each`,
        unit: "records/s",
        note: "the same by records(), the convenient way",
      },
      asObjects.value,
      asObjects.limit,
    ),
  ];
}

async function readInPlace(log: EmbeddedLog): Promise<number> {
  const cursor = new RecordCursor();
  let valueBytes = 0;
  let count = 0;
  const startMs = performance.now();
  for await (const batch of log.batches()) {
    cursor.open(batch);
    while (cursor.next()) {
      valueBytes += cursor.valueEnd - cursor.valueStart;
      count += 1;
    }
  }
  const seconds = (performance.now() - startMs) / 1000;
  if (count !== log.nextOffset || valueBytes !== count * VALUE_BYTES) {
    throw new Error(`${count} records and ${valueBytes} bytes came of ${log.nextOffset} records`);
  }
  return count / seconds;
}

async function readObjects(log: EmbeddedLog): Promise<number> {
  let count = 0;
  const startMs = performance.now();
  for await (const { value } of log.records()) count += value === null ? 0 : 1;
  const seconds = (performance.now() - startMs) / 1000;
  if (count !== log.nextOffset) throw new Error(`${count} records came of ${log.nextOffset}`);
  return count / seconds;
}

async function check(log: EmbeddedLog): Promise<void> {
  const checker = new Checker("embedded read");
  for await (const { offset, value } of log.records()) checker.take(value, offset);
  checker.end(log.nextOffset);
}

/** The bytes of every segment and one checksum over them: less cannot be done for a checked read. */
function readRaw(store: string, records: number): number {
  const chunk = Buffer.alloc(limits.readChunkBytes);
  let sum = 0;
  const startMs = performance.now();
  for (const name of readdirSync(store).filter((file) => file.endsWith(".log"))) {
    const file = openSync(join(store, name), "r");
    for (let at = 0; ;) {
      const read = readSync(file, chunk, 0, chunk.length, at);
      if (read === 0) break;
      sum ^= crc32c(chunk, 0, read);
      at += read;
    }
    closeSync(file);
  }
  const seconds = (performance.now() - startMs) / 1000;
  if (sum === 0) throw new Error("a checksum of nothing");
  return records / seconds;
}

export const row: Row = { run };
