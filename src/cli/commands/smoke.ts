import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import type { Command } from "commander";
import { limits, ProglogError } from "../../base/index.ts";
import type { Client, ServerListing } from "../../client/index.ts";
import { addClientOptions, addressOf, connectTo, wholeNumber } from "../client-options.ts";
import type { ClientOptions } from "../client-options.ts";
import type { Context, Run } from "../run.ts";
import { table } from "../table.ts";

interface SmokeOptions extends ClientOptions {
  readonly servers?: number;
  readonly records: number;
}

/** What one server had. */
interface Found {
  readonly server: ServerListing;
  readonly seconds: number;
}

const HEADINGS = ["id", "rpc address", "leads", "records read back", "seconds"];

/** Whether a cluster does what it is for, asked from outside: for the test of a deployment. */
export function define(command: Command, run: Run): void {
  addClientOptions(command);
  command
    .option("--servers <number>", "how many servers there must be (default: any)", wholeNumber(1))
    .option("--records <number>", "records to append and read back", wholeNumber(1), 10)
    .option("--json", "print one JSON object for each server")
    .addHelpText("after", "\nThe records are appended to the log and stay there.")
    .action(async (options: SmokeOptions) => {
      await run(options, (context) => smoke(context, options));
    });
}

async function smoke(context: Context, options: SmokeOptions): Promise<undefined> {
  const { out, json, signal } = context;
  await using client = connectTo(context, addressOf(context, options), options);
  const servers = await untilComplete(client, options, signal);
  const values = Array.from({ length: options.records }, (_, at) =>
    Buffer.from(`smoke ${randomUUID()} ${at}`),
  );
  const written = new Map<number, Buffer>();
  for (const value of values) {
    const { offset } = await client.produce({ value }, { signal });
    written.set(offset, value);
  }
  const found: Found[] = [];
  for (const server of servers) {
    const started = performance.now();
    await readBack(context, options, server, written);
    found.push({ server, seconds: (performance.now() - started) / 1_000 });
  }
  const records = written.size;
  if (json) for (const each of found) out.json({ ...each.server, records, seconds: each.seconds });
  else out.line(table([HEADINGS, ...found.map((each) => row(each, records))]));
  return undefined;
}

/** Waits for as long as a server may take to answer: a cluster that was just made is not there at once. */
async function untilComplete(
  client: Client,
  { servers: wanted, timeout }: SmokeOptions,
  signal: AbortSignal,
): Promise<readonly ServerListing[]> {
  const deadlineMs = Date.now() + 1_000 * timeout;
  for (;;) {
    const { servers } = await client.servers({ signal });
    const missing = missingOf(servers, wanted);
    if (missing === undefined) return servers;
    if (Date.now() > deadlineMs) {
      const ids = servers.map(({ id }) => id).join(", ");
      const sentence = `servers of the cluster: ${servers.length} (${ids}), ${missing}`;
      throw new ProglogError("UNAVAILABLE", sentence);
    }
    await pause(limits.retryDelayMsMax, undefined, { signal });
  }
}

/** What a cluster lacks that is whole; undefined when it is. */
function missingOf(
  servers: readonly ServerListing[],
  wanted: number | undefined,
): string | undefined {
  if (!servers.some(({ isLeader }) => isLeader)) return "and none of them leads";
  if (wanted !== undefined && servers.length !== wanted) return `and there should be ${wanted}`;
  // A server that was just started lists all voters before gossip has told it where they are.
  const lost = servers.find(({ rpcAddress }) => rpcAddress === "");
  return lost === undefined ? undefined : `and nobody there knows yet where ${lost.id} is`;
}

/** Asks this one server alone for what was written, whoever it was written through. */
async function readBack(
  context: Context,
  options: SmokeOptions,
  { id, rpcAddress }: ServerListing,
  written: ReadonlyMap<number, Buffer>,
): Promise<void> {
  const { signal } = context;
  await using client = connectTo(context, `dns:${rpcAddress}`, options);
  for (const [offset, sent] of written) {
    const { value } = await client.read(offset, { minOffset: offset, signal });
    if (sent.equals(value ?? Buffer.alloc(0))) continue;
    throw new ProglogError("DATA_LOSS", `${id} has another record at offset ${offset}`);
  }
}

function row({ server, seconds }: Found, records: number): string[] {
  const { id, rpcAddress, isLeader } = server;
  return [id, rpcAddress, isLeader ? "yes" : "no", String(records), seconds.toFixed(2)];
}
