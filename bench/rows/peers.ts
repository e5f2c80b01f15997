import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { connect } from "../../src/client/index.ts";
import { readRecords } from "../support/consumed.ts";
import { startJetStream } from "../support/peers/jetstream.ts";
import type { Peer } from "../support/peers/peer.ts";
import { PeerAbsent } from "../support/peers/programs.ts";
import { startRedis } from "../support/peers/redis.ts";
import { checkProduced, produceValues } from "../support/produced.ts";
import { ratedAgainst, skipped } from "../support/result.ts";
import type { Goal, RowResult } from "../support/result.ts";
import { pairsOf } from "../support/row.ts";
import type { Row, RowContext } from "../support/row.ts";
import { AgentServer } from "../support/servers.ts";
import { inPairs, rateOf } from "../support/statistics.ts";
import { Checker, VALUE_BYTES, valueOf } from "../support/values.ts";

const IN_FLIGHT = 512;

interface Contest {
  readonly name: string;
  readonly start: (folder: string) => Promise<Peer>;
  readonly produceGoal: Goal;
  readonly consumeGoal: Goal;
  /** What it did, in records/s, on the machine on which the goals were set. */
  readonly then: { readonly produce: number; readonly consume: number };
}

const CONTESTS: readonly Contest[] = [
  {
    name: "NATS JetStream",
    start: startJetStream,
    produceGoal: { is: ">=", bound: 20 },
    consumeGoal: { is: ">=", bound: 5 },
    then: { produce: 35_000, consume: 290_000 },
  },
  {
    name: "Redis Streams",
    start: startRedis,
    produceGoal: { is: ">=", bound: 10 },
    consumeGoal: { is: ">=", bound: 5 },
    then: { produce: 86_000, consume: 380_000 },
  },
];

/** Others that keep a log, each through its own client and as its users drive it. */
async function run(context: RowContext): Promise<RowResult[]> {
  const results: RowResult[] = [];
  for (const contest of CONTESTS) {
    try {
      results.push(...(await contestWith(contest, context)));
    } catch (error) {
      if (!(error instanceof PeerAbsent)) throw error;
      results.push(...absent(contest, error.message));
    }
  }
  return results;
}

const rowsOf = ({ name }: Contest): readonly [string, string] => [
  `produce, durable, ${VALUE_BYTES} B, against ${name}`,
  `consume, ${VALUE_BYTES} B, against ${name}`,
];

function absent(contest: Contest, reason: string): RowResult[] {
  const goals = [contest.produceGoal, contest.consumeGoal];
  return rowsOf(contest).map((row, at) => {
    const goal = goals[at];
    return skipped({ row, unit: "records/s" }, goal ? `${goal.is} ${goal.bound}x` : "-", reason);
  });
}

async function contestWith(contest: Contest, context: RowContext): Promise<RowResult[]> {
  const folder = join(context.directory, contest.name.replace(" ", "-"));
  mkdirSync(folder);
  await using peer = await contest.start(folder);
  await using ours = await AgentServer.start(folder);
  await using client = connect(ours.address);
  const ourCount = context.quick ? 500_000 : 2_000_000;
  const theirCount = context.quick ? 50_000 : 200_000;
  const pairs = context.quick ? 3 : pairsOf(context);
  const produced = { ours: 0, theirs: 0 };

  const produce = await inPairs(
    pairs,
    async () => {
      const from = produced.ours;
      produced.ours += ourCount;
      return await rateOf(ourCount, () => produceValues(client, from, produced.ours));
    },
    async () => {
      const from = produced.theirs;
      produced.theirs += theirCount;
      const values = valuesOf(from, produced.theirs);
      return await rateOf(theirCount, () => peer.produce(values, IN_FLIGHT));
    },
  );
  const consume = await inPairs(
    pairs,
    () => rateOf(ourCount, () => readRecords(client, ourCount)),
    () => rateOf(theirCount, () => consumeTheirs(peer, theirCount)),
  );
  if (context.check) {
    await checkProduced("our side", ours.address, { from: 0, count: produced.ours });
    const checker = new Checker(contest.name);
    await peer.consume(produced.theirs, (value) => checker.take(value));
    checker.end(produced.theirs);
  }
  const [produceRow, consumeRow] = rowsOf(contest);
  const unit = "records/s";
  const then = (rate: number): string =>
    `where the goal was set it did ${rate.toLocaleString("en-US")} records/s`;
  const produceNote =
    `ours: our batching producer, fsynced; ${peer.name}: its client for Node, ` +
    `${IN_FLIGHT} appends in flight, ${peer.durability}; ${then(contest.then.produce)}`;
  const consumeNote = `every record of either as an object, from the start; ${then(contest.then.consume)}`;
  return [
    ratedAgainst({ row: produceRow, unit, note: produceNote }, produce, contest.produceGoal),
    ratedAgainst({ row: consumeRow, unit, note: consumeNote }, consume, contest.consumeGoal),
  ];
}

function* valuesOf(from: number, to: number): Generator<Buffer> {
  for (let n = from; n < to; n++) yield valueOf(n);
}

async function consumeTheirs(peer: Peer, count: number): Promise<void> {
  let received = 0;
  await peer.consume(count, () => (received += 1));
  if (received !== count) throw new Error(`${received} records came of ${count}`);
}

export const row: Row = { run };
