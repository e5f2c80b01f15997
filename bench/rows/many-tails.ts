import type { Row, RowContext } from "../support/row.ts";
import type { RowResult } from "../support/result.ts";
import { AgentServer } from "../support/servers.ts";
import { followedByMany } from "../support/tails.ts";

async function run(context: RowContext): Promise<RowResult[]> {
  await using server = await AgentServer.start(context.directory);
  const followed = { server, producedAt: server.address, title: "" };
  return [await followedByMany(followed, context)];
}

export const row: Row = { run };
