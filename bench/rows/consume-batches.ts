import { connect } from "../../src/client/index.ts";
import type { Client } from "../../src/client/index.ts";
import { readBatchHeader } from "../../src/base/index.ts";
import { messagesOf, readRecords } from "../support/consumed.ts";
import { Driver, readStream } from "../support/driver.ts";
import { checkProduced, produceRecords } from "../support/produced.ts";
import { ratedAgainst, told } from "../support/result.ts";
import type { RowResult } from "../support/result.ts";
import { pairsOf } from "../support/row.ts";
import type { Row, RowContext } from "../support/row.ts";
import { AgentServer, EchoServer } from "../support/servers.ts";
import { inPairs } from "../support/statistics.ts";
import { Usage, usageNote } from "../support/usage.ts";
import { VALUE_BYTES } from "../support/values.ts";

/** Our client reads the log from its start, against a stream of the same bytes that nobody looks at. */
async function run(context: RowContext): Promise<RowResult[]> {
  const records = context.quick ? 500_000 : 2_000_000;
  await using ours = await AgentServer.start(context.directory);
  await using echo = await EchoServer.start(context.directory);
  await produceRecords(ours.address, 0, records);
  await using client = connect(ours.address);
  using toOurs = new Driver(ours.address);
  using toEcho = new Driver(echo.address);

  const { messages, bytes } = await messagesOf(toOurs, records);
  const messageBytes = Math.round(bytes / messages);
  await echo.setOutgoing(Buffer.alloc(messageBytes, 1), messages);
  const usages = { records: new Usage(ours), batches: new Usage(ours), echo: new Usage(echo) };
  const receive = (): Promise<number> =>
    usages.echo.rate(records, () =>
      readStream(toEcho.stream("ConsumeBatches", Buffer.alloc(0)), () => undefined),
    );
  const pairs = pairsOf(context);
  const asRecords = await inPairs(
    pairs,
    () => usages.records.rate(records, () => readRecords(client, records)),
    receive,
  );
  const asBatches = await inPairs(
    pairs,
    () => usages.batches.rate(records, () => readBatches(client, records)),
    receive,
  );
  if (context.check) {
    await checkProduced("ConsumeBatches", ours.address, { from: 0, count: records });
  }
  const note = `${records} records, the echo has messages of ${messageBytes} bytes like ours; ${usageNote(usages.records, usages.echo)}`;
  const unit = "records/s";
  const row = `ConsumeBatches by our client, ${VALUE_BYTES} B records`;
  return [
    ratedAgainst(
      { row, unit, note: `\`for await (const record of client.records())\`; ${note}` },
      asRecords,
      { is: ">=", bound: 0.5 },
    ),
    told(
      {
        row: "ConsumeBatches by our client, whole batches",
        unit,
        note: `client.batches(); ${usageNote(usages.batches, usages.echo)}`,
      },
      asBatches.value,
      asBatches.limit,
    ),
  ];
}

async function readBatches(client: Client, count: number): Promise<void> {
  let received = 0;
  for await (const batches of client.batches()) {
    for (const batch of batches) received += readBatchHeader(batch).recordCount;
  }
  if (received !== count) throw new Error(`${received} records came of ${count}`);
}

export const row: Row = { run };
