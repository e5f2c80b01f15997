import { Option } from "commander";
import type { Command } from "commander";
import type { LogRecord, Position } from "../../client/index.ts";
import {
  addClientOptions,
  addressOf,
  connectTo,
  connectToFollow,
  position,
  wholeNumber,
} from "../client-options.ts";
import type { ClientOptions } from "../client-options.ts";
import { recordToJson } from "../record-json.ts";
import type { Context, Run } from "../run.ts";

type Format = "value" | "json" | "base64";

interface ConsumeOptions extends ClientOptions {
  readonly from: Position;
  readonly follow?: boolean;
  readonly limit?: number;
  readonly format?: Format;
}

export function define(command: Command, run: Run): void {
  addClientOptions(command);
  command
    .addOption(
      new Option("--from <where>", "start, end, an offset, or a time like 2026-01-31T12:00:00Z")
        .argParser(position)
        .default("start"),
    )
    .option("-f, --follow", "go on with new records as they come, until Ctrl-C")
    .option("-n, --limit <records>", "end after so many records", wholeNumber(0))
    .addOption(
      new Option("--format <format>", "how a record is printed, one to a line")
        .choices(["value", "json", "base64"])
        .default(undefined, "value"),
    )
    .option("--json", "the same as --format json")
    .action(async (options: ConsumeOptions) => {
      await run(options, (context) => consume(context, options));
    });
}

/** Ends when the log does, or when somebody asks to: neither is a failure. */
async function consume(context: Context, options: ConsumeOptions): Promise<undefined> {
  const { signal, out } = context;
  const { from, follow = false, limit = Infinity } = options;
  const print = PRINTERS[options.format ?? (context.json ? "json" : "value")];
  const address = addressOf(context, options);
  try {
    await using client = follow
      ? await connectToFollow(context, address, options)
      : connectTo(context, address, options);
    for await (const record of client.records({ from, follow, limit, signal })) {
      print(context, record);
      if (out.isFull) await out.flush();
    }
  } catch (error) {
    if (!(follow && signal.aborted)) throw error;
  }
  return undefined;
}

const PRINTERS: Readonly<Record<Format, (context: Context, record: LogRecord) => void>> = {
  value: ({ out }, { value }) => {
    if (value !== null) out.write(value);
    out.write("\n");
  },
  base64: ({ out }, { value }) => out.line(Buffer.from(value ?? []).toString("base64")),
  json: ({ out }, record) => out.line(recordToJson(record)),
};
