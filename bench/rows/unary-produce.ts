import { decodeProduceResponse, encodeProduceRequest } from "../../src/api/index.ts";
import { callUnary, Driver } from "../support/driver.ts";
import { checkProduced } from "../support/produced.ts";
import { ratedAgainst } from "../support/result.ts";
import type { RowResult } from "../support/result.ts";
import { pairsOf } from "../support/row.ts";
import type { Row, RowContext } from "../support/row.ts";
import { AgentServer, EchoServer } from "../support/servers.ts";
import { inPairs } from "../support/statistics.ts";
import { VALUE_POOL, valueOf } from "../support/values.ts";

const IN_FLIGHT = 64;

/** What one durable append costs the server, against an answer that costs it nothing. */
async function run(context: RowContext): Promise<RowResult[]> {
  const calls = context.quick ? 20_000 : 60_000;
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
  const load = { count: calls, inFlight: IN_FLIGHT, request };
  const seconds: number[] = [];
  /** Which request became which record. */
  const sequences: number[] = [];

  const produce = async (): Promise<number> => {
    const from = sequences.length;
    const startMs = performance.now();
    const cost = await cpuOf(ours, () =>
      callUnary(toOurs, "Produce", {
        ...load,
        onReply: (reply, n) => (sequences[decodeProduceResponse(reply).baseOffset] = n),
      }),
    );
    seconds.push((performance.now() - startMs) / 1000);
    if (sequences.length !== from + calls) throw new Error(`${sequences.length} offsets came`);
    return (cost / calls) * 1e6;
  };
  const answer = async (): Promise<number> =>
    ((await cpuOf(echo, () => callUnary(toEcho, "Produce", load))) / calls) * 1e6;

  const measured = await inPairs(pairsOf(context), produce, answer);
  if (context.check) {
    const sequenceAt = (offset: number): number => sequences[offset] ?? -1;
    const expected = { from: 0, count: sequences.length, sequenceAt };
    await checkProduced("unary Produce", ours.address, expected);
  }
  const rate = Math.round(calls / Math.min(...seconds));
  const note =
    `processor time of the server's process, ${calls} calls a round, both driven by grpc-js; ` +
    `at best ${rate} calls/s with client and server on this machine`;
  const named = {
    row: `unary Produce, ${IN_FLIGHT} in flight, durable`,
    unit: "us CPU/call",
    note,
  };
  return [ratedAgainst(named, measured, { is: "<=", bound: 1.5 })];
}

async function cpuOf(
  server: { readonly cpuSeconds: number },
  work: () => Promise<void>,
): Promise<number> {
  const before = server.cpuSeconds;
  await work();
  return server.cpuSeconds - before;
}

export const row: Row = { run };
