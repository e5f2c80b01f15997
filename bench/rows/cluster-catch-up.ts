import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../../src/client/index.ts";
import type { Client } from "../../src/client/index.ts";
import { AgentCluster, only } from "../support/cluster.ts";
import { paced } from "../support/pace.ts";
import { produceValues } from "../support/produced.ts";
import { ratedAgainst, told } from "../support/result.ts";
import type { RowResult } from "../support/result.ts";
import type { Row, RowContext } from "../support/row.ts";
import { median, percentile } from "../support/statistics.ts";
import { valueOf } from "../support/values.ts";

const RECORDS_PER_SECOND = 500;
const BASE_SECONDS = 4;
/** How often it is asked how far the follower is, and how long at most. */
const LOOK_MS = 50;
const CATCH_UP_SECONDS_MAX = 60;
const GOAL = { is: "<=", bound: 1.5 } as const;

interface Round {
  /** While all three are there. */
  readonly usualMs: readonly number[];
  /** Until the follower had everything. */
  readonly meanwhileMs: readonly number[];
  readonly seconds: number;
}

/**
 * A follower stands still for a while, and then is a million records behind: what do those who produce
 * notice of its catching up? It is a stopped process that goes on, so that no start is measured.
 */
async function run(context: RowContext): Promise<RowResult[]> {
  const behind = context.quick ? 200_000 : 1_000_000;
  const rounds = context.quick ? 2 : 5;
  await using cluster = await AgentCluster.start(context.directory);
  const leader = await cluster.leader();
  await using client = connect(`ipv4:${leader.address}`);
  await using filling = connect(`ipv4:${leader.address}`);
  const measured: Round[] = [];
  // One before that warms up.
  for (let round = 0; round <= rounds; round++) {
    const one = await followerBehind(cluster, { client, filling, behind });
    if (round > 0) measured.push(one);
  }
  if ((await cluster.leader()) !== leader) throw new Error("leadership moved meanwhile");
  const seconds = median(measured.map((round) => round.seconds));
  const note =
    `${RECORDS_PER_SECOND} produces/s of one client, each alone; the limit is the same before, with ` +
    `nobody behind; ${rounds} rounds, ${behind} records each, caught up in ${seconds.toFixed(1)} s`;
  const at = (share: number) => {
    const values = measured.map(({ meanwhileMs }) => percentile(meanwhileMs, share));
    const limits = measured.map(({ usualMs }) => percentile(usualMs, share));
    const ratios = values.map((value, n) => value / (limits[n] ?? NaN));
    return { value: median(values), limit: median(limits), ratio: median(ratios) };
  };
  const [middle, worst] = [at(0.5), at(0.99)];
  const title = "latency while a follower catches up";
  return [
    ratedAgainst({ row: `${title}, p50`, unit: "ms", note }, middle, GOAL),
    told({ row: `${title}, p99`, unit: "ms", note }, worst.value, worst.limit),
  ];
}

interface Load {
  readonly client: Client;
  readonly filling: Client;
  readonly behind: number;
}

async function followerBehind(cluster: AgentCluster, load: Load): Promise<Round> {
  const { client, filling, behind } = load;
  const [follower] = await cluster.followers();
  if (follower === undefined) throw new Error("the cluster has followers");
  const usualMs = await latencies(client, { seconds: BASE_SECONDS });
  follower.pause();
  await produceValues(filling, 0, behind);
  const { next: goal } = await client.offsets();
  follower.resume();
  const over = new AbortController();
  const beginMs = performance.now();
  const caughtUp = untilReached(only(follower), goal).finally(() => over.abort());
  const meanwhileMs = await latencies(client, {
    seconds: CATCH_UP_SECONDS_MAX,
    signal: over.signal,
  });
  const endMs = await caughtUp;
  await cluster.untilEven();
  return { usualMs, meanwhileMs, seconds: (endMs - beginMs) / 1000 };
}

async function untilReached(client: Client, goal: number): Promise<number> {
  await using asked = client;
  for (;;) {
    if ((await asked.offsets()).next >= goal) return performance.now();
    await sleep(LOOK_MS);
  }
}

async function latencies(
  client: Client,
  { seconds, signal }: { readonly seconds: number; readonly signal?: AbortSignal },
): Promise<number[]> {
  const times: number[] = [];
  const running: Promise<void>[] = [];
  const one = async (n: number): Promise<void> => {
    const startMs = performance.now();
    await client.produce({ value: valueOf(n) });
    times.push(performance.now() - startMs);
  };
  await paced(RECORDS_PER_SECOND, seconds, (n) => void running.push(one(n)), signal);
  await Promise.all(running);
  return times;
}

export const row: Row = { run };
