import { argv } from "node:process";
import { openLog } from "../../src/log/open-log.ts";
import type { EmbeddedLog } from "../../src/log/open-log.ts";
import { answerParent } from "./answer-parent.ts";
import { residentMB } from "./processes.ts";
import { valueOf } from "./values.ts";

/** A program with a log in it and nothing else; the row ends it in one way or another. */
const directory = argv[2] ?? "";
let log: EmbeddedLog | undefined;

function opened(): EmbeddedLog {
  if (log === undefined) throw new Error("the log is not open");
  return log;
}

async function open({ fsync }: { fsync: boolean }): Promise<{ ms: number; residentMB: number }> {
  const startMs = performance.now();
  log = await openLog(directory, { fsync });
  return { ms: performance.now() - startMs, residentMB: residentMB(process.pid) };
}

/** Appends until the log has grown by so many bytes; a few batches at a time share a sync. */
async function fill({ bytes, batchRecords }: { bytes: number; batchRecords: number }) {
  const lanes = Math.max(4, Math.round(5_000 / batchRecords));
  const end = opened().engine.sizeBytes + bytes;
  let next = opened().nextOffset;
  const lane = async (): Promise<void> => {
    while (opened().engine.sizeBytes < end) {
      const values = Array.from({ length: batchRecords }, (_, n) => ({ value: valueOf(next + n) }));
      next += batchRecords;
      await opened().append(values);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

answerParent(
  {
    open,
    fill,
    sizeBytes: () => opened().engine.sizeBytes,
    nextOffset: () => opened().nextOffset,
  },
  async () => log?.close(),
);
