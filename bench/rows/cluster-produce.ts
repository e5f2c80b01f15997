import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { encodeProduceRequest } from "../../src/api/index.ts";
import { connect } from "../../src/client/index.ts";
import { AgentCluster } from "../support/cluster.ts";
import { callUnary, Driver } from "../support/driver.ts";
import { startJetStreamCluster } from "../support/peers/jetstream.ts";
import { PeerAbsent } from "../support/peers/programs.ts";
import { checkProduced, produceValues } from "../support/produced.ts";
import { ratedAgainst, skipped, told } from "../support/result.ts";
import type { RowResult } from "../support/result.ts";
import { pairsOf } from "../support/row.ts";
import type { Row, RowContext } from "../support/row.ts";
import { AgentServer } from "../support/servers.ts";
import { inPairs, rateOf } from "../support/statistics.ts";
import { Usage } from "../support/usage.ts";
import { VALUE_BYTES, VALUE_POOL, valueOf } from "../support/values.ts";

const UNARY_IN_FLIGHT = 64;
const THEIRS_IN_FLIGHT = 512;
const REPLICAS = 3;
const BATCHES = `${REPLICAS} replicas, ProduceBatches, durable on a majority`;

/**
 * What it costs that two others have it too. All servers and the client share this machine and its
 * disk, so that three replicas have the work of three to do where one replica has that of one.
 */
async function run(context: RowContext): Promise<RowResult[]> {
  await using three = await AgentCluster.start(context.directory, REPLICAS);
  const againstOne = await besideOne(three, context);
  return [...againstOne, await besideJetStream(three, context)];
}

async function besideOne(three: AgentCluster, context: RowContext): Promise<RowResult[]> {
  const records = context.quick ? 300_000 : 1_000_000;
  const calls = context.quick ? 10_000 : 30_000;
  await using one = await AgentServer.start(join(context.directory, "one"));
  const sides = {
    three: { usage: new Usage(three), next: 0, address: three.address },
    one: { usage: new Usage(one), next: 0, address: one.address },
  };
  const batches = async (side: (typeof sides)["one"]): Promise<number> => {
    await using client = connect(side.address);
    const from = side.next;
    side.next += records;
    return await side.usage.rate(records, () => produceValues(client, from, side.next));
  };
  const byBatches = await inPairs(
    pairsOf(context),
    () => batches(sides.three),
    () => batches(sides.one),
  );
  if (context.check) {
    const count = sides.three.next;
    await three.untilEven();
    for (const { address } of three.servers) {
      await checkProduced(BATCHES, `ipv4:${address}`, { from: 0, count });
    }
  }
  const toThree = { usage: new Usage(three), address: (await three.leader()).address };
  const toOne = { usage: new Usage(one), address: one.address };
  const unary = async ({ usage, address }: typeof toOne): Promise<number> => {
    using driver = new Driver(address);
    const load = { count: calls, inFlight: UNARY_IN_FLIGHT, request: requestOf };
    return await usage.rate(calls, () => callUnary(driver, "Produce", load));
  };
  const byCalls = await inPairs(
    pairsOf(context),
    () => unary(toThree),
    () => unary(toOne),
  );
  const costs = (three: Usage, one: Usage): string =>
    `processor time of each, client + servers: ${String(three)}, one replica ${String(one)}`;
  return [
    ratedAgainst(
      {
        row: BATCHES,
        unit: "records/s",
        note:
          `our client's producer, ${VALUE_BYTES} B records, ${records} a round; the limit is one ` +
          `replica; ${costs(sides.three.usage, sides.one.usage)}`,
      },
      byBatches,
      { is: ">=", bound: 0.4 },
    ),
    told(
      {
        row: `${REPLICAS} replicas, unary Produce, ${UNARY_IN_FLIGHT} in flight`,
        unit: "calls/s",
        note:
          `${calls} calls a round to the leader, by grpc-js; the limit is one replica; ` +
          costs(toThree.usage, toOne.usage),
      },
      byCalls.value,
      byCalls.limit,
    ),
  ];
}

const REQUESTS = VALUE_POOL.map((value) =>
  encodeProduceRequest({
    record: { value },
    log: "",
    expectedOffset: undefined,
    stamp: undefined,
  }),
);

function requestOf(n: number): Buffer {
  return REQUESTS[n % REQUESTS.length] ?? valueOf(n);
}

async function besideJetStream(three: AgentCluster, context: RowContext): Promise<RowResult> {
  const row = `${REPLICAS} replicas, produce, against NATS JetStream with ${REPLICAS}`;
  const named = { row, unit: "records/s" };
  const goal = { is: ">=", bound: 10 } as const;
  const ourCount = context.quick ? 300_000 : 1_000_000;
  const theirCount = context.quick ? 30_000 : 60_000;
  const folder = join(context.directory, "jetstream");
  mkdirSync(folder);
  try {
    await using theirs = await startJetStreamCluster(folder, REPLICAS);
    await using client = connect(three.address);
    let next = 0;
    const measured = await inPairs(
      pairsOf(context),
      () => rateOf(ourCount, () => produceValues(client, 0, ourCount)),
      () => {
        const values = valuesOf(next, (next += theirCount));
        return rateOf(theirCount, () => theirs.produce(values, THEIRS_IN_FLIGHT));
      },
    );
    const note =
      `ours: our batching producer, fsynced on a majority; ${theirs.name}: its client for Node, ` +
      `${THEIRS_IN_FLIGHT} appends in flight, ${theirs.durability}; where the goal was set it did ` +
      `33,000 records/s`;
    return ratedAgainst({ ...named, note }, measured, goal);
  } catch (error) {
    if (!(error instanceof PeerAbsent)) throw error;
    return skipped(named, `${goal.is} ${goal.bound}x`, error.message);
  }
}

function* valuesOf(from: number, to: number): Generator<Buffer> {
  for (let n = from; n < to; n++) yield valueOf(n);
}

export const row: Row = { run };
