import { InvalidArgumentError } from "commander";
import type { Command } from "commander";
import { SETTINGS } from "../../agent/index.ts";
import { ClusterClient } from "../../client/index.ts";
import type { ClusterMember, ClusterStatus } from "../../client/index.ts";
import { addClientOptions, addressOf, wholeNumber } from "../client-options.ts";
import type { ClientOptions } from "../client-options.ts";
import { recover } from "../cluster-recover.ts";
import type { RecoverOptions } from "../cluster-recover.ts";
import type { CommonOptions, Context, Run } from "../run.ts";
import { table } from "../table.ts";
import { tlsOf } from "../tls-options.ts";

interface Options extends ClientOptions, CommonOptions {
  readonly to?: string;
  readonly force?: boolean;
  readonly retentionBytes?: number;
  readonly retentionMs?: number;
}

const HEADINGS = ["name", "replica id", "rpc address", "role", "leads", "index", "silent ms"];

export function define(command: Command, run: Run): void {
  command.addHelpText(
    "after",
    "\nAny server may be asked: what changes something is decided by the one that leads.\n" +
      "With an access list these ask for the permission administer.",
  );
  const asking = (
    usage: string,
    description: string,
    work: (
      context: Context,
      client: ClusterClient,
      options: Options,
      words: string[],
    ) => Promise<void>,
  ): Command => {
    const made = command.command(usage).description(description);
    addClientOptions(made);
    return made.option("--json", "print one JSON object").action(async (...args: unknown[]) => {
      const self = args.at(-1) as Command;
      const options = self.opts<Options>();
      await run(options, async (context) => {
        const { signal } = context;
        await using client = clientOf(context, options);
        signal.addEventListener("abort", () => client.close());
        await work(context, client, options, self.args);
        return undefined;
      });
    });
  };

  asking(
    "status",
    "who takes part, who leads, and how far everyone is",
    async (context, client) => {
      const status = await client.ask("GetStatus", {});
      if (context.json) context.out.json(status);
      else showStatus(context, status);
    },
  );
  asking(
    "transfer-leader",
    "let another voter lead",
    async ({ out, json }, client, { to = "" }) => {
      const { leader } = await client.ask("TransferLeadership", { to });
      if (json) out.json({ leader });
      else out.line(`${leader} leads`);
    },
  ).option("--to <name>", "this one (default: one that has caught up)");
  asking(
    "add <name>",
    "let a server in that gossip knows: it learns, and votes once it has caught up",
    async ({ out, json }, client, _options, [name = ""]) => {
      const { member } = await client.ask("AddMember", { name });
      if (json) out.json(member);
      else out.line(`${member.name} takes part as a ${member.role}`);
    },
  );
  asking(
    "remove <name>",
    "take a server out for good; it is told so, and ends",
    async ({ out, json }, client, { force = false }, [name = ""]) => {
      await client.ask("RemoveMember", { name, force });
      if (json) out.json({ removed: name });
      else out.line(`${name} was removed`);
    },
  ).option("--force", "also when too few of those who stay are heard of");
  asking(
    "set",
    "change how much of the log is kept, on all servers",
    async ({ out, json }, client, { retentionBytes, retentionMs }) => {
      const kept = await client.ask("SetRetention", { retentionBytes, retentionMs });
      if (json) out.json(kept);
      else out.line(retentionLine(kept));
    },
  )
    .option(
      "--retention-bytes <size>",
      "keep about so much; 0: everything",
      setting("retentionBytes"),
    )
    .option(
      "--retention-ms <duration>",
      "keep records so long; 0: for ever",
      setting("retentionMs"),
    );
  asking(
    "delete-before",
    "let go of all records below an offset, on all servers",
    async ({ out, json }, client, _options, [offset = ""]) => {
      const { lowest } = await client.ask("DeleteBefore", { offset: Number(offset) });
      if (json) out.json({ lowest });
      else
        out.line(`records below ${offset} are let go of; the first that can be read is ${lowest}`);
    },
  ).argument("<offset>", "the first to be kept", wholeNumber(0));
  defineRecover(command, run);
}

function defineRecover(command: Command, run: Run): void {
  command
    .command("recover <data-directory>")
    .description("make a stopped server the only voter, when the others are lost for good")
    .addHelpText(
      "after",
      "\nUnlike its neighbours it asks no server: it works on the data directory, on its machine,\n" +
        "while no server runs on it. While a majority is there it is never needed.",
    )
    .option("--yes", "do it: what the others acknowledged and this one lacks is lost")
    .option("--json", "print one JSON object")
    .action(async (directory: string, options: RecoverOptions & CommonOptions) => {
      await run(options, (context) => recover(context, directory, options));
    });
}

function clientOf(context: Context, options: Options): ClusterClient {
  const timeoutMs = 1_000 * options.timeout;
  return new ClusterClient(addressOf(context, options), {
    timeoutMs,
    tls: tlsOf(context, options),
  });
}

/** A value of the agent's setting of the same name. */
function setting(name: "retentionBytes" | "retentionMs"): (text: string) => number {
  return (text) => {
    const result = SETTINGS[name].schema.safeParse(text);
    if (result.success) return result.data;
    throw new InvalidArgumentError(result.error.issues[0]?.message ?? "It is not accepted.");
  };
}

function showStatus({ out }: Context, status: ClusterStatus): void {
  const { clusterName, clusterId, leader, term, answeredBy } = status;
  out.line(`cluster ${clusterName} (${clusterId}), told by ${answeredBy}`);
  out.line(leader === "" ? `no leader is known, term ${term}` : `${leader} leads in term ${term}`);
  const { lowest, next, commitIndex, lastIndex } = status;
  out.line(`offsets ${lowest} to ${next}, committed index ${commitIndex} of ${lastIndex}`);
  out.line(retentionLine(status.retention));
  if (status.damaged) out.line(`${answeredBy} has lost something and is being mended`);
  out.line("");
  out.line(table([HEADINGS, ...status.members.map(row)]));
}

function row(member: ClusterMember): string[] {
  const { name, replicaId, rpcAddress, role, isLeader, matchedIndex, silentMs } = member;
  const words = [name, String(replicaId), rpcAddress || "-", role, isLeader ? "yes" : "no"];
  return [...words, String(matchedIndex ?? "-"), String(silentMs ?? "-")];
}

function retentionLine(kept: { retentionBytes: number; retentionMs: number }): string {
  const bytes = kept.retentionBytes === 0 ? "any size" : `${kept.retentionBytes} bytes`;
  const age = kept.retentionMs === 0 ? "any age" : `${kept.retentionMs} ms`;
  return `kept: ${bytes}, ${age}`;
}
