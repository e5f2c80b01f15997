import { connect } from "../../src/client/index.ts";
import { AgentCluster } from "../support/cluster.ts";
import { messagesOf, readRecords } from "../support/consumed.ts";
import { Driver, readStream } from "../support/driver.ts";
import { checkProduced, produceRecords } from "../support/produced.ts";
import { ratedAgainst, told } from "../support/result.ts";
import type { RowResult } from "../support/result.ts";
import { pairsOf } from "../support/row.ts";
import type { Row, RowContext } from "../support/row.ts";
import { EchoServer } from "../support/servers.ts";
import { inPairs } from "../support/statistics.ts";
import { Usage, usageNote } from "../support/usage.ts";
import { VALUE_BYTES } from "../support/values.ts";

/** Our client reads from followers when it knows them; what the leader has to do meanwhile is told. */
async function run(context: RowContext): Promise<RowResult[]> {
  const records = context.quick ? 500_000 : 2_000_000;
  await using cluster = await AgentCluster.start(context.directory);
  await using echo = await EchoServer.start(context.directory);
  await produceRecords(cluster.address, 0, records);
  await cluster.untilEven();
  const leader = await cluster.leader();
  const [follower = leader] = await cluster.followers();
  await using client = connect(cluster.address);
  using toFollower = new Driver(follower.address);
  using toEcho = new Driver(echo.address);

  const { messages, bytes } = await messagesOf(toFollower, records);
  const messageBytes = Math.round(bytes / messages);
  await echo.setOutgoing(Buffer.alloc(messageBytes, 1), messages);
  const usages = { ours: new Usage(cluster), echo: new Usage(echo) };
  const [leaderBefore, clusterBefore] = [leader.cpuSeconds, cluster.cpuSeconds];
  const measured = await inPairs(
    pairsOf(context),
    () => usages.ours.rate(records, () => readRecords(client, records)),
    () =>
      usages.echo.rate(records, () =>
        readStream(toEcho.stream("ConsumeBatches", Buffer.alloc(0)), () => undefined),
      ),
  );
  const share = (leader.cpuSeconds - leaderBefore) / (cluster.cpuSeconds - clusterBefore);
  if (context.check) {
    for (const { address } of await cluster.followers()) {
      await checkProduced("a follower", `ipv4:${address}`, { from: 0, count: records });
    }
  }
  const note =
    `\`client.records()\` of a client that knows all servers; ${records} records, the echo has ` +
    `messages of ${messageBytes} bytes like ours; ${usageNote(usages.ours, usages.echo)}`;
  const row = `ConsumeBatches from followers, ${VALUE_BYTES} B records`;
  return [
    ratedAgainst({ row, unit: "records/s", note }, measured, { is: ">=", bound: 0.5 }),
    told(
      {
        row: "what the leader has to do for it",
        unit: "%",
        note: "of the processor time of all three servers; heartbeats and clocks among it",
      },
      100 * share,
    ),
  ];
}

export const row: Row = { run };
