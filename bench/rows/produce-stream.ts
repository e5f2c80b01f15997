import { decodeProduceResponse, encodeProduceRequest } from "../../src/api/index.ts";
import { callDuplex, Driver } from "../support/driver.ts";
import { checkProduced } from "../support/produced.ts";
import { ratedAgainst } from "../support/result.ts";
import type { RowResult } from "../support/result.ts";
import { pairsOf } from "../support/row.ts";
import type { Row, RowContext } from "../support/row.ts";
import { AgentServer, EchoServer } from "../support/servers.ts";
import { inPairs } from "../support/statistics.ts";
import { Usage, usageNote } from "../support/usage.ts";
import { VALUE_POOL, valueOf } from "../support/values.ts";

const IN_FLIGHT = 512;

/** One stream of single records, each answered when it is durable, against a stream of echoes. */
async function run(context: RowContext): Promise<RowResult[]> {
  const count = context.quick ? 60_000 : 200_000;
  await using ours = await AgentServer.start(context.directory);
  await using echo = await EchoServer.start(context.directory);
  using toOurs = new Driver(ours.address);
  using toEcho = new Driver(echo.address);
  const requests = VALUE_POOL.map((value) =>
    encodeProduceRequest({
      record: { value },
      log: "",
      expectedOffset: undefined,
      stamp: undefined,
    }),
  );
  const request = (n: number): Buffer => requests[n % requests.length] ?? valueOf(n);
  let next = 0;
  const [ourUsage, echoUsage] = [new Usage(ours), new Usage(echo)];

  const produce = (): Promise<number> => {
    const from = next;
    next += count;
    return ourUsage.rate(count, () =>
      callDuplex(toOurs, "ProduceStream", {
        count,
        inFlight: IN_FLIGHT,
        request: (n) => request(from + n),
        onReply: (reply, n) => {
          const { baseOffset } = decodeProduceResponse(reply);
          if (baseOffset !== from + n) throw new Error(`offset ${baseOffset}, not ${from + n}`);
        },
      }),
    );
  };
  const answer = (): Promise<number> =>
    echoUsage.rate(count, () =>
      callDuplex(toEcho, "ProduceStream", { count, inFlight: IN_FLIGHT, request }),
    );

  const measured = await inPairs(pairsOf(context), produce, answer);
  if (context.check) {
    await checkProduced("ProduceStream", ours.address, { from: 0, count: next });
  }
  const note = `${count} records a round, ${IN_FLIGHT} in flight, both driven by grpc-js; ${usageNote(ourUsage, echoUsage)}`;
  const named = { row: "ProduceStream, one stream, durable", unit: "records/s", note };
  return [ratedAgainst(named, measured, { is: ">=", bound: 0.6 })];
}

export const row: Row = { run };
