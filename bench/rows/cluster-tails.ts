import { AgentCluster } from "../support/cluster.ts";
import type { RowResult } from "../support/result.ts";
import type { Row, RowContext } from "../support/row.ts";
import { followedByMany } from "../support/tails.ts";

/** The same at the leader of three replicas, which has followers to feed besides. */
async function run(context: RowContext): Promise<RowResult[]> {
  await using cluster = await AgentCluster.start(context.directory);
  const server = await cluster.leader();
  const followed = { server, producedAt: cluster.address, title: "leader of three, " };
  return [await followedByMany(followed, context)];
}

export const row: Row = { run };
