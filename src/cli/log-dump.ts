import { gunzipBounded } from "../api/index.ts";
import { decodeBatch, ProglogError, readBatchHeader } from "../base/index.ts";
import { ENTRY_TYPE } from "../log/index.ts";
import type { Entry, Log } from "../log/index.ts";
import { EXIT } from "./exit-codes.ts";
import { openOffline, READ_BYTES } from "./offline.ts";
import { inSnakeCase } from "./output.ts";
import { recordToJson } from "./record-json.ts";
import type { Context } from "./run.ts";

export interface DumpOptions {
  readonly records?: boolean;
}

const TYPE_NAMES = new Map(
  Object.entries(ENTRY_TYPE).map(([name, type]) => [type, inSnakeCase(name)]),
);

/** Prints every entry that can be read; damage is told on standard error and passed over. */
export async function dump(
  context: Context,
  directory: string,
  options: DumpOptions,
): Promise<number> {
  const { out, signal } = context;
  await using data = await openOffline(context, directory, "read");
  const { log } = data;
  let exitCode: number = EXIT.done;
  let index = log.firstIndex;
  while (index <= log.lastIndex) {
    signal.throwIfAborted();
    try {
      const entries = await log.readEntries(index, { maxBytes: READ_BYTES });
      for (const entry of entries) out.json(entryToJson(entry, options.records ?? false));
      index = (entries.at(-1)?.index ?? log.lastIndex) + 1;
    } catch (caught) {
      index = await indexAfterDamage(log, index, caught, context);
      exitCode = EXIT.failed;
    }
    if (out.isFull) await out.flush();
  }
  return exitCode;
}

/** The error tells offsets; only a look at all frames tells indexes. */
async function indexAfterDamage(
  log: Log,
  index: number,
  caught: unknown,
  context: Context,
): Promise<number> {
  const error = ProglogError.from(caught);
  if (error.code !== "DATA_LOSS") throw caught;
  context.report(error);
  const ranges = [...(await log.verify()).values()].flat();
  const range = ranges.find(({ fromIndex, toIndex }) => fromIndex <= index && index <= toIndex);
  if (range === undefined) throw caught;
  return range.toIndex + 1;
}

function entryToJson(entry: Entry, withRecords: boolean): unknown {
  const { index, term, baseOffset, appendedAt, recordCount, payload } = entry;
  const type = TYPE_NAMES.get(entry.type);
  const line = { index, term, type, baseOffset, appendedAt, recordCount, bytes: payload.length };
  if (entry.type !== ENTRY_TYPE.records) return line;
  const { producerId, producerEpoch, baseSequence, attributes } = readBatchHeader(payload);
  const stamp = producerId < 0 ? {} : { producerId, producerEpoch, baseSequence };
  if (!withRecords) return { ...line, attributes, ...stamp };
  const records = decodeBatch(payload, { gunzip: gunzipBounded }).map(
    (record) => JSON.parse(recordToJson(record)) as unknown,
  );
  return { ...line, attributes, ...stamp, records };
}
