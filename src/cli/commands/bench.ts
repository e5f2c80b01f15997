import { randomBytes } from "node:crypto";
import type { Command } from "commander";
import { limits, ProglogError } from "../../base/index.ts";
import type { Client } from "../../client/index.ts";
import { addClientOptions, addressOf, connectTo, wholeNumber } from "../client-options.ts";
import type { ClientOptions } from "../client-options.ts";
import type { Context, Run } from "../run.ts";
import { table } from "../table.ts";
import type { Progress } from "../terminal.ts";

interface BenchOptions extends ClientOptions {
  readonly records: number;
  readonly size: number;
}

/** What one part of the load came to. */
interface Measurement {
  readonly what: string;
  readonly records: number;
  readonly seconds: number;
  /** Of single answers; empty where nothing is answered. */
  readonly latenciesMs: number[];
}

/** One in so many records of the fast part is timed. */
const SAMPLE_EVERY = 97;
/** Records of the part that waits for each answer. */
const SINGLE_RECORDS_MAX = 500;

export function define(command: Command, run: Run): void {
  addClientOptions(command);
  command
    .option("--records <number>", "records to append and read back", wholeNumber(1), 100_000)
    .option("--size <bytes>", "the size of a record's value", wholeNumber(0), 100)
    .option("--json", "print one JSON object for each line of the table")
    .addHelpText("after", "\nThe records are appended to the server's log and stay there.")
    .action(async (options: BenchOptions) => {
      await run(options, (context) => bench(context, options));
    });
}

async function bench(context: Context, options: BenchOptions): Promise<undefined> {
  const { out, json, signal, terminal } = context;
  const { records, size } = options;
  const address = addressOf(context, options);
  if (size > limits.recordBytesMax) {
    throw new ProglogError(
      "RECORD_TOO_LARGE",
      `a record has at most ${limits.recordBytesMax} bytes`,
    );
  }
  await using client = connectTo(context, address, options);
  const value = randomBytes(size);
  terminal.say(`appending ${records} records of ${size} bytes to the log at ${address}`);
  const load: Load = { client, value, records, signal, progress: terminal.progress() };
  const measurements = [await produceAll(load), await produceSingly(load), await consumeAll(load)];
  if (json) for (const measurement of measurements) out.json(toJson(measurement, size));
  else out.line(table([HEADINGS, ...measurements.map((each) => toRow(each, size))]));
  return undefined;
}

interface Load {
  readonly client: Client;
  readonly value: Uint8Array;
  readonly records: number;
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

/** As fast as the batching producer goes; a latency runs from `send` to the acknowledgement. */
async function produceAll({
  client,
  value,
  records,
  signal,
  progress,
}: Load): Promise<Measurement> {
  const latenciesMs: number[] = [];
  const producer = client.producer();
  const start = performance.now();
  try {
    for (let sent = 0; sent < records; sent++) {
      const before = performance.now();
      const { ack } = producer.trySend({ value }) ?? (await producer.send({ value }, { signal }));
      if (sent % SAMPLE_EVERY === 0) {
        ack.then(
          () => latenciesMs.push(performance.now() - before),
          (error: unknown) => ProglogError.from(error),
        );
      }
      if (sent % 1_024 === 0) signal.throwIfAborted();
      progress.show(() => `producing: ${sent} of ${records}`);
    }
  } finally {
    await producer.close();
    progress.clear();
  }
  return { what: "produce, batched", records, seconds: secondsSince(start), latenciesMs };
}

/** One record at a time, each answered before the next: what a single caller feels. */
async function produceSingly(load: Load): Promise<Measurement> {
  const { client, value, signal, progress } = load;
  const records = Math.min(SINGLE_RECORDS_MAX, load.records);
  const latenciesMs: number[] = [];
  const start = performance.now();
  for (let sent = 0; sent < records; sent++) {
    const before = performance.now();
    await client.produce({ value }, { signal });
    latenciesMs.push(performance.now() - before);
    progress.show(() => `producing one by one: ${sent} of ${records}`);
  }
  progress.clear();
  return { what: "produce, one by one", records, seconds: secondsSince(start), latenciesMs };
}

async function consumeAll({ client, records, signal, progress }: Load): Promise<Measurement> {
  const { lowest, next } = await client.offsets({ signal });
  const from = Math.max(lowest, next - records);
  const start = performance.now();
  let read = 0;
  for await (const record of client.records({ from, limit: records, signal })) {
    read += 1;
    progress.show(() => `consuming: offset ${record.offset}`);
  }
  progress.clear();
  return { what: "consume", records: read, seconds: secondsSince(start), latenciesMs: [] };
}

function secondsSince(start: number): number {
  return (performance.now() - start) / 1_000;
}

const HEADINGS = ["what", "records", "records/s", "MB/s", "p50 ms", "p99 ms"];

function toRow(measurement: Measurement, size: number): string[] {
  const { what, records, recordsPerSecond, megabytesPerSecond, p50Ms, p99Ms } = toJson(
    measurement,
    size,
  );
  const numbers = [megabytesPerSecond, p50Ms, p99Ms].map((each) => each?.toFixed(2) ?? "");
  return [what, String(records), recordsPerSecond.toFixed(0), ...numbers];
}

function toJson({ what, records, seconds, latenciesMs }: Measurement, size: number) {
  return {
    what,
    records,
    recordsPerSecond: records / seconds,
    megabytesPerSecond: (records * size) / seconds / 1e6,
    p50Ms: percentile(latenciesMs, 0.5),
    p99Ms: percentile(latenciesMs, 0.99),
  };
}

/** The smallest measurement that so many of all do not exceed. */
function percentile(measured: readonly number[], share: number): number | undefined {
  const sorted = measured.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}
