import { setTimeout as sleep } from "node:timers/promises";
import {
  decodeConsumeResponse,
  encodeConsumeRequest,
  encodeConsumeResponse,
} from "../../src/api/index.ts";
import { connect } from "../../src/client/index.ts";
import { Http2Tails } from "./http2-tails.ts";
import { paced } from "./pace.ts";
import { rated } from "./result.ts";
import type { RowResult } from "./result.ts";
import type { RowContext } from "./row.ts";
import { EchoServer } from "./servers.ts";
import type { AgentServer } from "./servers.ts";
import { Checker, valueOf } from "./values.ts";

const TAILS = 10_000;
const CONNECTIONS = 10;
const RECORDS_PER_SECOND = 10;
const ARRIVAL_MS_MAX = 60_000;

export interface Followed {
  /** The server that serves the tails, and whose loop is watched. */
  readonly server: AgentServer;
  /** Where records are sent to. */
  readonly producedAt: string;
  readonly title: string;
}

/** Every record goes to ten thousand streams: does the server still hear anything else meanwhile? */
export async function followedByMany(
  { server, producedAt, title }: Followed,
  context: RowContext,
): Promise<RowResult> {
  const seconds = context.quick ? 8 : 20;
  // Serves nobody: what its loop is late by is the machine's doing.
  await using idle = await EchoServer.start(context.directory);
  const plain = { log: "", linearizable: false, minOffset: undefined };
  const request = encodeConsumeRequest({ ...plain, offset: 0, maxRecords: 0, maxBytes: 0 });
  const options = { connections: CONNECTIONS, tails: TAILS, isChecked: context.check };
  await using tails = await Http2Tails.open(server.address, request, options);
  await using client = connect(producedAt);
  // The first one is there everywhere before anything is measured.
  await client.produce({ value: valueOf(0) });
  await arrived(tails, expectedBytes(1));

  await Promise.all([server.watchLoop(), idle.watchLoop()]);
  const cpuBefore = server.cpuSeconds;
  const startMs = performance.now();
  const sent = await paced(RECORDS_PER_SECOND, seconds, (n) => {
    void client.produce({ value: valueOf(n + 1) });
  });
  const sendingMs = performance.now() - startMs;
  await arrived(tails, expectedBytes(sent + 1));
  const lateMs = performance.now() - startMs - sendingMs;
  const busy = (server.cpuSeconds - cpuBefore) / ((performance.now() - startMs) / 1000);
  const [{ p99Ms, maxMs }, idleDelay] = await Promise.all([server.loopDelay(), idle.loopDelay()]);
  if (context.check) check(tails, sent + 1);
  const note =
    `p99 of how late the server's event loop is, looked at each ms for ${seconds} s; worst ` +
    `${maxMs.toFixed(1)} ms; a process without work beside it: ${idleDelay.p99Ms.toFixed(1)} and ` +
    `${idleDelay.maxMs.toFixed(1)} ms; ${sent * TAILS} messages, the last ${Math.round(lateMs)} ms after ` +
    `sending had ended; the server used ${busy.toFixed(2)} cores`;
  const row = `${title}${TAILS} tails, ${RECORDS_PER_SECOND} records/s, loop delay p99`;
  return rated({ row, unit: "ms", note }, p99Ms, { is: "<", bound: 20 });
}

/** What one tail receives of so many records: gRPC's frames around the answers. */
function expectedBytes(records: number): number {
  let bytes = 0;
  for (let offset = 0; offset < records; offset++) {
    const served = { offset, term: 1, timestampMs: Date.now(), key: null, headers: [] };
    bytes += 5 + encodeConsumeResponse({ ...served, value: valueOf(offset) }).length;
  }
  return bytes;
}

function check(tails: Http2Tails, count: number): void {
  const checker = new Checker("many tails");
  for (const message of tails.checkedMessages()) {
    const { value, offset } = decodeConsumeResponse(message);
    checker.take(value, offset);
  }
  checker.end(count);
}

/** Every tail has exactly what was sent. */
async function arrived(tails: Http2Tails, bytesEach: number): Promise<void> {
  const endMs = performance.now() + ARRIVAL_MS_MAX;
  while (tails.receivedTotal < bytesEach * TAILS) {
    const [ending] = tails.endings;
    if (ending !== undefined) throw new Error(`a tail has ended: ${ending}`);
    if (performance.now() > endMs) {
      throw new Error(`${tails.receivedTotal} bytes arrived of ${bytesEach * TAILS}`);
    }
    await sleep(5);
  }
  const wrong = tails.receivedBytes.filter((bytes) => bytes !== bytesEach).length;
  if (wrong > 0) throw new Error(`${wrong} tails have other than ${bytesEach} bytes`);
}
