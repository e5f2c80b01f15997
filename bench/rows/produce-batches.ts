import { encodeProduceBatchRequest } from "../../src/api/index.ts";
import { encodeBatch, limits } from "../../src/base/index.ts";
import { connect } from "../../src/client/index.ts";
import { callDuplex, Driver } from "../support/driver.ts";
import { checkProduced } from "../support/produced.ts";
import { syncedWritesPerSecond } from "../support/raw-writes.ts";
import { ratedAgainst } from "../support/result.ts";
import type { RowResult } from "../support/result.ts";
import { pairsOf } from "../support/row.ts";
import type { Row, RowContext } from "../support/row.ts";
import { AgentServer, EchoServer } from "../support/servers.ts";
import { inPairs, median } from "../support/statistics.ts";
import { Usage, usageNote } from "../support/usage.ts";
import { VALUE_BYTES, valueOf } from "../support/values.ts";

/** More brought the echo nothing more. */
const ECHO_IN_FLIGHT = 8;
/** Of the messages, so many are enough to know the disk of this minute. */
const DISK_SHARE = 4;

/** The batching producer of our client, against echoes of messages that are as large as its own. */
async function run(context: RowContext): Promise<RowResult[]> {
  const records = context.quick ? 500_000 : 2_000_000;
  await using ours = await AgentServer.start(context.directory);
  await using echo = await EchoServer.start(context.directory);
  await using client = connect(ours.address);
  using toEcho = new Driver(echo.address);
  const message = fullBatch();
  const messages = Math.ceil(records / message.records);
  let next = 0;
  const [ourUsage, echoUsage] = [new Usage(ours), new Usage(echo)];

  const produce = async (): Promise<number> => {
    const from = next;
    next += records;
    await using producer = client.producer();
    return await ourUsage.rate(records, async () => {
      for (let n = from; n < next; n++) await producer.send({ value: valueOf(n) });
      await producer.flush();
    });
  };
  const answer = (): Promise<number> =>
    echoUsage.rate(messages * message.records, () =>
      callDuplex(toEcho, "ProduceBatches", {
        count: messages,
        inFlight: ECHO_IN_FLIGHT,
        request: () => message.bytes,
      }),
    );

  const diskRates: number[] = [];
  const answerAndSync = async (): Promise<number> => {
    const rate = await answer();
    const writes = { bytes: message.bytes.length, count: Math.ceil(messages / DISK_SHARE) };
    diskRates.push(message.records * (await syncedWritesPerSecond(context.directory, writes)));
    return rate;
  };

  const measured = await inPairs(pairsOf(context), produce, answerAndSync);
  if (context.check) {
    await checkProduced("ProduceBatches", ours.address, { from: 0, count: next });
  }
  const note =
    `${records} times \`await producer.send()\`, then flush(); ` +
    `the echo has messages of ${message.bytes.length} bytes, ${ECHO_IN_FLIGHT} in flight and no disk, ` +
    `which alone, with a write and a sync for each, takes ${inThousands(median(diskRates))} records/s; ` +
    usageNote(ourUsage, echoUsage);
  const row = `ProduceBatches by our client, durable, ${VALUE_BYTES} B records`;
  return [ratedAgainst({ row, unit: "records/s", note }, measured, { is: ">=", bound: 0.5 })];
}

function inThousands(value: number): string {
  return `${Math.round(value / 1000).toLocaleString("en-US")},000`;
}

/** One message as the producer sends it when it has much to send. */
function fullBatch(): { readonly bytes: Buffer; readonly records: number } {
  const of = (count: number): Uint8Array =>
    encodeBatch(
      Array.from({ length: count }, (_, n) => ({ value: valueOf(n) })),
      { nowMs: Date.now() },
    );
  const recordBytes = (of(1_000).length - of(500).length) / 500;
  const records = Math.floor(limits.producerBatchBytesMax / recordBytes);
  const bytes = encodeProduceBatchRequest({
    batch: of(records),
    log: "",
    expectedOffset: undefined,
  });
  return { bytes, records };
}

export const row: Row = { run };
