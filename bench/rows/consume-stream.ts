import type { ClientReadableStream } from "@grpc/grpc-js";
import {
  decodeConsumeResponse,
  encodeConsumeRequest,
  encodeConsumeResponse,
} from "../../src/api/index.ts";
import { Driver, readStream } from "../support/driver.ts";
import { produceRecords } from "../support/produced.ts";
import { ratedAgainst } from "../support/result.ts";
import type { RowResult } from "../support/result.ts";
import { pairsOf } from "../support/row.ts";
import type { Row, RowContext } from "../support/row.ts";
import { AgentServer, EchoServer } from "../support/servers.ts";
import { inPairs } from "../support/statistics.ts";
import { Usage, usageNote } from "../support/usage.ts";
import { Checker, valueOf } from "../support/values.ts";

/** The book's stream, a message for each record, against a stream of messages of the same size. */
async function run(context: RowContext): Promise<RowResult[]> {
  const count = context.quick ? 100_000 : 400_000;
  await using ours = await AgentServer.start(context.directory);
  await using echo = await EchoServer.start(context.directory);
  await produceRecords(ours.address, 0, count);
  using toOurs = new Driver(ours.address);
  using toEcho = new Driver(echo.address);
  const message = encodeConsumeResponse({
    ...{ offset: count, term: 1, timestampMs: Date.now(), key: null, headers: [] },
    value: valueOf(0),
  });
  await echo.setOutgoing(message, count);
  const from = { offset: 0, log: "", linearizable: false, minOffset: undefined, maxBytes: 0 };
  const request = encodeConsumeRequest({ ...from, maxRecords: count });

  const [ourUsage, echoUsage] = [new Usage(ours), new Usage(echo)];

  const consume = (): Promise<number> =>
    ourUsage.rate(count, () => readWhole(toOurs.stream("ConsumeStream", request), count));
  const receive = (): Promise<number> =>
    echoUsage.rate(count, () => readWhole(toEcho.stream("ConsumeStream", request), count));

  const measured = await inPairs(pairsOf(context), consume, receive);
  if (context.check) {
    const checker = new Checker("ConsumeStream");
    await readStream(toOurs.stream("ConsumeStream", request), (bytes) => {
      const { value, offset } = decodeConsumeResponse(bytes);
      checker.take(value, offset);
    });
    checker.end(count);
  }
  const note = `${count} records a round, both read by grpc-js; the echo's messages have ${message.length} bytes; ${usageNote(ourUsage, echoUsage)}`;
  const named = { row: "ConsumeStream, one stream", unit: "records/s", note };
  return [ratedAgainst(named, measured, { is: ">=", bound: 0.8 })];
}

async function readWhole(call: ClientReadableStream<Buffer>, count: number): Promise<void> {
  const received = await readStream(call, () => undefined);
  if (received !== count) throw new Error(`${received} messages came of ${count}`);
}

export const row: Row = { run };
