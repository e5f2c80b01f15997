import { createReadStream } from "node:fs";
import { addAbortSignal } from "node:stream";
import { startReplica } from "../agent/index.ts";
import type { DataLog } from "../agent/index.ts";
import { gunzipBounded } from "../api/index.ts";
import {
  BatchBuilder,
  batchSizeAt,
  decodeBatch,
  limits,
  membersOf,
  ProglogError,
  validateBatch,
} from "../base/index.ts";
import type { RecordInput } from "../base/index.ts";
import { connectTo } from "./client-options.ts";
import type { ConnectionOptions } from "./client-options.ts";
import { readLines } from "./lines.ts";
import { openOffline } from "./offline.ts";
import { JSON_LINE_BYTES_MAX, recordFromJson } from "./record-json.ts";
import type { Context } from "./run.ts";

export interface ImportOptions extends ConnectionOptions {
  readonly dataDir?: string;
  readonly address?: string;
  readonly format: "ndjson" | "batches";
}

/** Where imported records go. */
interface Sink {
  /** Resolves when there is room for the next one. */
  send(record: RecordInput): Promise<unknown>;
  /** Resolves when everything is durable. */
  finish(): Promise<void>;
}

/** Appends all records of a file or of standard input; they get new offsets, in their order. */
export async function importLog(
  context: Context,
  file: string | undefined,
  options: ImportOptions,
): Promise<undefined> {
  const { dataDir, address } = options;
  if ((dataDir === undefined) === (address === undefined)) {
    throw new ProglogError("CONFIGURATION", "import goes to --data-dir or to --address: give one");
  }
  const isStandardInput = file === undefined || file === "-";
  const source = isStandardInput ? context.stdin() : createReadStream(file);
  const chunks = addAbortSignal(context.signal, source) as AsyncIterable<Buffer>;
  const records = options.format === "ndjson" ? jsonRecords(chunks) : batchRecords(chunks);
  if (address !== undefined) await intoServer(context, records, address, options);
  else if (dataDir !== undefined) await intoDirectory(context, records, dataDir);
  return undefined;
}

async function intoServer(
  context: Context,
  records: AsyncIterable<RecordInput>,
  address: string,
  options: ConnectionOptions,
): Promise<void> {
  await using client = connectTo(context, address, options);
  const producer = client.producer({ deliveryTimeoutMs: 1_000 * options.timeout });
  await pour(context, records, {
    send: async (record) => producer.trySend(record) ?? producer.send(record),
    finish: () => producer.close(),
  });
}

async function intoDirectory(
  context: Context,
  records: AsyncIterable<RecordInput>,
  dataDir: string,
): Promise<void> {
  await using data = await openOffline(context, dataDir, "append");
  refuseShared(data, dataDir);
  const nobody = { rpcAddress: "", httpAddress: "", fsyncRelaxed: false };
  const { clusterId, name } = data.directory.meta;
  await using replica = await startReplica(data, {
    describe: () => ({ ...nobody, clusterId, id: name }),
  });
  const builder = new BatchBuilder();
  const append = async (): Promise<void> => {
    if (builder.count > 0) await replica.appendBatch(builder.finish(), {});
  };
  await pour(context, records, {
    send: async (record) => {
      if (builder.add(record, Date.now())) return;
      await append();
      builder.add(record, Date.now());
    },
    finish: append,
  });
}

/** Only a server that is alone may append by its own word: what others do not hear of is not in their log. */
function refuseShared({ directory, log }: DataLog, dataDir: string): void {
  const { clusterId, replicaId } = directory.meta;
  const others = membersOf(log.hardState.configuration).filter(
    (member) => member.replicaId !== replicaId,
  );
  if (clusterId === "") {
    const text = `the server of ${dataDir} belongs to no cluster yet: start it, and import to --address`;
    throw new ProglogError("CONFIGURATION", text);
  }
  if (others.length === 0) return;
  const names = others.map(({ name }) => name).toSorted();
  throw new ProglogError(
    "CONFIGURATION",
    `the log in ${dataDir} is shared with ${names.join(", ")}: import to --address of one of the servers`,
  );
}

async function pour(
  context: Context,
  records: AsyncIterable<RecordInput>,
  sink: Sink,
): Promise<void> {
  const { out, json, terminal } = context;
  const progress = terminal.progress();
  let count = 0;
  try {
    for await (const record of records) {
      await sink.send(record);
      count += 1;
      progress.show(() => `${count} records`);
    }
  } finally {
    progress.clear();
    await sink.finish();
  }
  if (json) out.json({ records: count });
  else terminal.say(`${count} records imported`);
}

async function* jsonRecords(chunks: AsyncIterable<Buffer>): AsyncGenerator<RecordInput> {
  let lineNumber = 0;
  for await (const line of readLines(chunks, JSON_LINE_BYTES_MAX)) {
    lineNumber += 1;
    if (line.length > 0) yield recordFromJson(line, `line ${lineNumber}`);
  }
}

/** Batches that stand one after the other, each checked in full. */
async function* batchRecords(chunks: AsyncIterable<Buffer>): AsyncGenerator<RecordInput> {
  const gunzip = gunzipBounded;
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (let size = wholeBatchBytes(rest); size > 0; size = wholeBatchBytes(rest)) {
      const batch = rest.subarray(0, size);
      rest = rest.subarray(size);
      validateBatch(batch, { gunzip });
      yield* decodeBatch(batch, { gunzip });
    }
  }
  // What is left is not a whole batch, and this says so.
  if (rest.length > 0) batchSizeAt(rest, 0);
}

/** The size of the batch that begins here; 0 when more bytes are needed to have it whole. */
function wholeBatchBytes(bytes: Buffer): number {
  if (bytes.length < 12) return 0;
  const size = 12 + bytes.readInt32BE(8);
  if (size > limits.batchBytesMax || size <= 12) {
    throw new ProglogError("CORRUPT_BATCH", `a batch says that it has ${size} bytes`);
  }
  return size <= bytes.length ? size : 0;
}
