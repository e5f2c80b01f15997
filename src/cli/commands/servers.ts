import type { Command } from "commander";
import type { ServerListing } from "../../client/index.ts";
import { addClientOptions, addressOf, connectTo } from "../client-options.ts";
import type { ClientOptions } from "../client-options.ts";
import type { Run } from "../run.ts";
import { table } from "../table.ts";

const HEADINGS = ["id", "rpc address", "http address", "role", "leads", "next offset", "fsync"];

export function define(command: Command, run: Run): void {
  addClientOptions(command);
  command.option("--json", "print one JSON object").action(async (options: ClientOptions) => {
    await run(options, async (context) => {
      const { out, json, signal } = context;
      await using client = connectTo(context, addressOf(context, options), options);
      const listings = await client.servers({ signal });
      if (json) out.json(listings);
      else out.line(table([HEADINGS, ...listings.servers.map(row)]));
      return undefined;
    });
  });
}

function row(server: ServerListing): string[] {
  return [
    server.id,
    server.rpcAddress,
    server.httpAddress || "-",
    server.role,
    server.isLeader ? "yes" : "no",
    server.highWatermark === undefined ? "-" : String(server.highWatermark),
    server.fsyncRelaxed ? "relaxed" : "always",
  ];
}
