import { join } from "node:path";
import { encodeProduceRequest } from "../../src/api/index.ts";
import { AgentCluster } from "../support/cluster.ts";
import { callUnary, Driver } from "../support/driver.ts";
import { produceRecords } from "../support/produced.ts";
import { ratedAgainst } from "../support/result.ts";
import type { RowResult } from "../support/result.ts";
import type { Row, RowContext } from "../support/row.ts";
import { inPairs } from "../support/statistics.ts";
import { valueOf } from "../support/values.ts";

const SHORT_RECORDS = 10_000;
const IN_FLIGHT = 64;
const PAIRS = 3;
const GOAL = { is: "<=", bound: 1.2 } as const;

/** A record costs the same whatever was there before it: two clusters, one of which has a long log. */
async function run(context: RowContext): Promise<RowResult[]> {
  const lengths = context.quick ? [100_000, 1_000_000] : [100_000, 1_000_000, 10_000_000];
  const calls = context.quick ? 3_000 : 8_000;
  await using short = await AgentCluster.start(join(context.directory, "short"));
  await using long = await AgentCluster.start(join(context.directory, "long"));
  for (const { address } of [short, long]) await produceRecords(address, 0, SHORT_RECORDS);
  using toShort = new Driver((await short.leader()).address);
  using toLong = new Driver((await long.leader()).address);
  const cost = async (cluster: AgentCluster, driver: Driver): Promise<number> => {
    const before = cluster.cpuSeconds;
    await callUnary(driver, "Produce", {
      count: calls,
      inFlight: IN_FLIGHT,
      request: () => REQUEST,
    });
    return ((cluster.cpuSeconds - before) / calls) * 1e6;
  };
  const results: RowResult[] = [];
  let filled = SHORT_RECORDS;
  for (const length of lengths) {
    await produceRecords(long.address, filled, length);
    filled = length;
    await long.untilEven();
    const measured = await inPairs(
      PAIRS,
      () => cost(long, toLong),
      () => cost(short, toShort),
    );
    const records = length.toLocaleString("en-US");
    const note =
      `processor time of three servers, ${calls} unary calls a round, ${IN_FLIGHT} in flight; the ` +
      `limit is a cluster with ${SHORT_RECORDS.toLocaleString("en-US")} records beside it`;
    const row = `cost of a record behind ${records} others`;
    results.push(ratedAgainst({ row, unit: "us CPU/call", note }, measured, GOAL));
  }
  return results;
}

const REQUEST = encodeProduceRequest({
  record: { value: valueOf(0) },
  log: "",
  expectedOffset: undefined,
  stamp: undefined,
});

export const row: Row = { run };
