import type { Command } from "commander";
import { IpcClient, parseAddress } from "../../agent/index.ts";
import type { IpcMember } from "../../agent/index.ts";
import { formatAddress, ProglogError } from "../../base/index.ts";
import { timeoutOption } from "../client-options.ts";
import type { CommonOptions, Context, Run } from "../run.ts";
import { table } from "../table.ts";

interface MembersOptions extends CommonOptions {
  readonly serfRpcAddr?: string;
  readonly serfRpcAuth?: string;
  readonly timeout: number;
}

interface EventOptions extends MembersOptions {
  readonly coalesce: boolean;
}

/** Serf's own. */
const ADDRESS = "127.0.0.1:7373";
const HEADINGS = ["name", "address", "status", "tags"];

export function define(command: Command, run: Run): void {
  addOptions(command)
    .option("--json", "print one JSON object a member")
    .action(async (options: MembersOptions) => {
      await run(options, async (context) => {
        await using client = await connectTo(context, options);
        const members = await client.members();
        if (context.json) for (const member of members) context.out.json(fieldsOf(member));
        else context.out.line(table([HEADINGS, ...members.map(row)]));
        return undefined;
      });
    });
  const event = command
    .command("event")
    .description("tell all members of something")
    .argument("<name>", "what happened")
    .argument("[payload]", "a few hundred bytes about it", "")
    .option("--no-coalesce", "deliver each one, also of the same name");
  addOptions(event).action(
    async (name: string, payload: string, _options: unknown, self: Command) => {
      const options = self.optsWithGlobals<EventOptions>();
      await run(options, async (context) => {
        await using client = await connectTo(context, options);
        await client.event(name, Buffer.from(payload), options.coalesce);
        return undefined;
      });
    },
  );
}

function addOptions(command: Command): Command {
  return command
    .option(
      "--serf-rpc-addr <host:port>",
      `the agent's --serf-rpc-addr (default: PROGLOG_SERF_RPC_ADDR, else ${ADDRESS})`,
    )
    .option("--serf-rpc-auth <token>", "its --serf-rpc-auth (default: PROGLOG_SERF_RPC_AUTH)")
    .addOption(timeoutOption());
}

async function connectTo({ env }: Context, options: MembersOptions): Promise<IpcClient> {
  const { serfRpcAddr = env["PROGLOG_SERF_RPC_ADDR"], serfRpcAuth = env["PROGLOG_SERF_RPC_AUTH"] } =
    options;
  const address = serfRpcAddr === undefined || serfRpcAddr === "" ? ADDRESS : serfRpcAddr;
  const at = parseAddress(address);
  if (at === undefined) {
    throw new ProglogError("CONFIGURATION", `--serf-rpc-addr ${address} is not host:port`);
  }
  try {
    const timeoutMs = 1_000 * options.timeout;
    return await IpcClient.connect({ ...at, authKey: serfRpcAuth, timeoutMs });
  } catch (error) {
    const { code, message } = ProglogError.from(error);
    if (code !== "UNAVAILABLE") throw error;
    const sentence = `${message} (the server is started with --serf-rpc-addr ${address})`;
    throw new ProglogError(code, sentence, { cause: error });
  }
}

function addressOf({ host, port }: IpcMember): string {
  return formatAddress(host, port);
}

function row(member: IpcMember): string[] {
  const tags = Object.entries(member.tags).map(([name, value]) => `${name}=${value}`);
  return [member.name, addressOf(member), member.status, tags.sort().join(",") || "-"];
}

/** Tags keep their names as they are, which `out.json` would change: none of ours is in camel case. */
function fieldsOf(member: IpcMember): Readonly<Record<string, unknown>> {
  const { name, status, tags } = member;
  return { name, address: addressOf(member), status, tags };
}
