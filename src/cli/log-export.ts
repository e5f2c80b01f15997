import { gunzipBounded } from "../api/index.ts";
import { batchEndOffset, decodeBatch } from "../base/index.ts";
import type { Position } from "../client/index.ts";
import type { Log } from "../log/index.ts";
import { EXIT } from "./exit-codes.ts";
import { openOffline, READ_BYTES, skipDamage } from "./offline.ts";
import { recordToJson } from "./record-json.ts";
import type { Context } from "./run.ts";

export interface ExportOptions {
  readonly from?: Position;
  readonly format: "ndjson" | "batches";
}

/** Writes every record that can be read; damage is told on standard error and passed over. */
export async function exportLog(
  context: Context,
  directory: string,
  options: ExportOptions,
): Promise<number> {
  const { out, signal } = context;
  await using data = await openOffline(context, directory, "read");
  const { log } = data;
  const limitOffset = log.syncedOffset;
  const from = await offsetOf(log, options.from ?? "start");
  let exitCode: number = EXIT.done;
  let offset = from;
  while (offset < limitOffset) {
    signal.throwIfAborted();
    try {
      for (const batch of await log.readBatches(offset, { maxBytes: READ_BYTES, limitOffset })) {
        if (options.format === "batches") out.write(batch);
        else writeRecords(context, batch, from);
        offset = batchEndOffset(batch);
      }
    } catch (caught) {
      offset = skipDamage(caught, "to_offset", context);
      exitCode = EXIT.failed;
    }
    if (out.isFull) await out.flush();
  }
  return exitCode;
}

function writeRecords({ out }: Context, batch: Uint8Array, from: number): void {
  for (const record of decodeBatch(batch, { gunzip: gunzipBounded })) {
    if (record.offset >= from) out.line(recordToJson(record));
  }
}

async function offsetOf(log: Log, from: Position): Promise<number> {
  if (from === "start") return log.lowestOffset;
  if (from === "end") return log.syncedOffset;
  if (typeof from === "number") return from;
  return (await log.offsetAtTime(from.getTime())) ?? log.syncedOffset;
}
