import { Option } from "commander";
import type { Command } from "commander";
import { position, timeoutOption } from "../client-options.ts";
import { dump } from "../log-dump.ts";
import type { DumpOptions } from "../log-dump.ts";
import { exportLog } from "../log-export.ts";
import type { ExportOptions } from "../log-export.ts";
import { importLog } from "../log-import.ts";
import type { ImportOptions } from "../log-import.ts";
import { verify } from "../log-verify.ts";
import type { CommonOptions, Run } from "../run.ts";
import { addTlsOptions } from "../tls-options.ts";

const DIRECTORY = "<data-directory>";

export function define(command: Command, run: Run): void {
  command.addHelpText(
    "after",
    "\nverify, dump and export leave every file as it is: what a server's start would cut off or\n" +
      "write again is so in memory alone. No server may have the directory open.",
  );
  command
    .command(`verify ${DIRECTORY}`)
    .description("read every frame; exit code 1 when something is damaged")
    .option("--json", "print one JSON object")
    .action(async (directory: string, options: CommonOptions) => {
      await run(options, (context) => verify(context, directory));
    });
  command
    .command(`dump ${DIRECTORY}`)
    .description("print each entry as a JSON line")
    .option("--records", "with the records in it")
    .option("--json", "print JSON lines, as it does anyway")
    .action(async (directory: string, options: DumpOptions & CommonOptions) => {
      await run(options, (context) => dump(context, directory, options));
    });
  command
    .command(`export ${DIRECTORY}`)
    .description("write the records to standard output")
    .addOption(new Option("--from <where>", "start, end, an offset, or a time").argParser(position))
    .addOption(formatOption())
    .option("--json", "tell errors as JSON")
    .action(async (directory: string, options: ExportOptions & CommonOptions) => {
      await run(options, (context) => exportLog(context, directory, options));
    });
  const load = command.command("import [file]");
  addTlsOptions(load);
  load
    .description("append what export wrote, from a file or from standard input")
    .option("--data-dir <directory>", "into a data directory that no server has open")
    .option("-a, --address <host:port,…>", "into a server's log")
    .addOption(timeoutOption())
    .addOption(formatOption())
    .option("--json", "print what was appended as a JSON object")
    .action(async (file: string | undefined, options: ImportOptions & CommonOptions) => {
      await run(options, (context) => importLog(context, file, options));
    });
}

function formatOption(): Option {
  const text = "JSON lines, or the batches as they are stored";
  return new Option("--format <format>", text).choices(["ndjson", "batches"]).default("ndjson");
}
