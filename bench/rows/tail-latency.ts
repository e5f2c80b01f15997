import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../../src/client/index.ts";
import type { Client } from "../../src/client/index.ts";
import { Driver } from "../support/driver.ts";
import { paced } from "../support/pace.ts";
import { ratedAgainst } from "../support/result.ts";
import type { RowResult } from "../support/result.ts";
import { pairsOf } from "../support/row.ts";
import type { Row, RowContext } from "../support/row.ts";
import { AgentServer, EchoServer } from "../support/servers.ts";
import { median, percentile } from "../support/statistics.ts";
import { Checker, VALUE_BYTES, valueOf } from "../support/values.ts";

const RECORDS_PER_SECOND = 1_000;
/** What a record of this size becomes on the disk when it comes alone: fence, entry, batch. */
const GROUP_BYTES = 64 + 48 + 61 + VALUE_BYTES + 9;
const GOAL = { is: "<=", bound: 3 } as const;

/**
 * From `send` in one client to the record in another, which follows the log, against a call whose
 * handler does nothing but write and sync.
 */
async function run(context: RowContext): Promise<RowResult[]> {
  const seconds = context.quick ? 3 : 8;
  await using ours = await AgentServer.start(context.directory);
  await using echo = await EchoServer.start(context.directory);
  await using producing = connect(ours.address);
  await using consuming = connect(ours.address);
  using toEcho = new Driver(echo.address);
  const rounds = pairsOf(context);
  const tail: number[][] = [];
  const base: number[][] = [];
  for (let round = 0; round <= rounds; round++) {
    const latencies = await followed(producing, consuming, seconds, context.check);
    const single = await oneAtATime(toEcho, seconds);
    if (round === 0) continue;
    tail.push(latencies);
    base.push(single);
  }
  const note =
    `${RECORDS_PER_SECOND} records/s for ${rounds} x ${seconds} s; the limit is a call that writes ` +
    `${GROUP_BYTES} bytes and fdatasyncs, one at a time, as often`;
  return [0.5, 0.99].map((share) => {
    const values = tail.map((times) => percentile(times, share));
    const limits = base.map((times) => percentile(times, share));
    const ratios = values.map((value, n) => value / (limits[n] ?? NaN));
    const measured = { value: median(values), limit: median(limits), ratio: median(ratios) };
    const row = `tail latency produce to consumer, p${share * 100}`;
    return ratedAgainst({ row, unit: "ms", note }, measured, GOAL);
  });
}

async function followed(
  producing: Client,
  consuming: Client,
  seconds: number,
  isChecked: boolean,
): Promise<number[]> {
  const { next: from } = await producing.offsets();
  const total = Math.round(seconds * RECORDS_PER_SECOND);
  const sentMs: number[] = [];
  const latencies: number[] = [];
  const checker = new Checker("tail latency", from);
  const consumed = (async () => {
    for await (const { offset, value } of consuming.records({ from, follow: true, limit: total })) {
      latencies.push(performance.now() - (sentMs[offset - from] ?? NaN));
      if (isChecked) checker.take(value, offset);
    }
  })();
  await using producer = producing.producer();
  await paced(RECORDS_PER_SECOND, seconds, (n) => {
    sentMs.push(performance.now());
    // Never full at this rate; a failure is told by `flush`.
    void producer.send({ value: valueOf(from + n) });
  });
  await producer.flush();
  await consumed;
  if (latencies.length !== total) throw new Error(`${latencies.length} records came of ${total}`);
  return latencies;
}

/** A round trip with a sync in it, never two at once, at about the same rate. */
async function oneAtATime(driver: Driver, seconds: number): Promise<number[]> {
  const request = Buffer.alloc(GROUP_BYTES, 1);
  const times: number[] = [];
  const endMs = performance.now() + seconds * 1000;
  while (performance.now() < endMs) {
    const startMs = performance.now();
    await new Promise<void>((resolve, reject) => {
      driver.unary("Consume", request, (error) => {
        if (error === null) resolve();
        else reject(error instanceof Error ? error : new Error("the echo failed"));
      });
    });
    times.push(performance.now() - startMs);
    await sleep(1);
  }
  return times;
}

export const row: Row = { run };
