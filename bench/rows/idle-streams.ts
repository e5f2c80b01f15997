import { setTimeout as sleep } from "node:timers/promises";
import type { ClientReadableStream } from "@grpc/grpc-js";
import { encodeConsumeRequest } from "../../src/api/index.ts";
import { Driver } from "../support/driver.ts";
import { ratedAgainst } from "../support/result.ts";
import type { RowResult } from "../support/result.ts";
import type { Row, RowContext } from "../support/row.ts";
import { AgentServer, EchoServer } from "../support/servers.ts";
import { median } from "../support/statistics.ts";

const CONNECTIONS = 10;
const STREAMS = 10_000;
/** The heap gives back what opening them took. */
const SETTLE_MS = 3_000;

/** Memory of a server with ten thousand streams on which nothing happens. */
async function run(context: RowContext): Promise<RowResult[]> {
  const rounds = context.quick ? 1 : 3;
  const values: number[] = [];
  const limits: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await using ours = await AgentServer.start(`${context.directory}/${round}`);
    values.push(await residentWithStreams(ours));
    await using echo = await EchoServer.start(context.directory);
    await echo.setOutgoing(Buffer.alloc(0), 0);
    limits.push(await residentWithStreams(echo));
  }
  const ratio = median(values.map((value, n) => value / (limits[n] ?? NaN)));
  const measured = { value: median(values), limit: median(limits), ratio };
  const note =
    `resident memory of the server's process ${SETTLE_MS / 1000} s after the last of them, ` +
    `${CONNECTIONS} connections; the limit is grpc-js with as many calls that nobody answers`;
  const named = { row: `memory, ${STREAMS} idle ConsumeStreams`, unit: "MB", note };
  return [ratedAgainst(named, measured, { is: "<=", bound: 2 })];
}

async function residentWithStreams(server: AgentServer | EchoServer): Promise<number> {
  const plain = { log: "", linearizable: false, minOffset: undefined };
  const request = encodeConsumeRequest({ ...plain, offset: 0, maxRecords: 0, maxBytes: 0 });
  const drivers = Array.from({ length: CONNECTIONS }, () => new Driver(server.address));
  const streams: ClientReadableStream<Buffer>[] = [];
  const ended: Error[] = [];
  try {
    for (const driver of drivers) {
      for (let n = 0; n < STREAMS / CONNECTIONS; n++) {
        const stream = driver.stream("ConsumeStream", request);
        stream.on("error", (error) => ended.push(error));
        streams.push(stream);
      }
      // Comes after them on the same connection, and so is answered when they are there.
      await new Promise<void>((resolve) =>
        driver.unary("GetOffsets", Buffer.alloc(0), () => resolve()),
      );
    }
    await sleep(SETTLE_MS);
    if (ended[0] !== undefined) throw ended[0];
    return server.residentMB;
  } finally {
    for (const stream of streams) stream.cancel();
    for (const driver of drivers) driver[Symbol.dispose]();
  }
}

export const row: Row = { run };
