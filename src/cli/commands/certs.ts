import { homedir } from "node:os";
import * as path from "node:path";
import type { Command } from "commander";
import { Option } from "commander";
import type { CertificateKind } from "../../auth/index.ts";
import { ProglogError } from "../../base/index.ts";
import { initAuthority, issueFromFiles } from "../certificate-files.ts";
import { wholeNumber } from "../client-options.ts";
import type { CommonOptions, Context, Run } from "../run.ts";

interface CertsOptions extends CommonOptions {
  readonly dir?: string;
  readonly days?: number;
}

interface InitOptions extends CertsOptions {
  readonly name: string;
}

interface IssueOptions extends CertsOptions {
  readonly kind: CertificateKind;
  readonly name: string;
  readonly host: readonly string[];
  readonly clusterName: string;
}

export function define(command: Command, run: Run): void {
  const init = command.command("init").description("make an authority: ca.pem and ca-key.pem");
  addCommon(init)
    .option("--name <name>", "the authority's name", "proglog authority")
    .action(async (options: InitOptions) => {
      await run(options, async (context) => {
        const files = await initAuthority(folderOf(context, options), options.name, options.days);
        tell(context, files);
        return undefined;
      });
    });
  const issue = command
    .command("issue")
    .description("make a certificate and its key: <name>.pem and <name>-key.pem");
  addCommon(issue)
    .addOption(
      new Option("--kind <kind>", "what it is for")
        .choices(["server", "client", "peer"])
        .makeOptionMandatory(),
    )
    .requiredOption("--name <name>", "a client's name in policies, a server's host, a node name")
    .option("--host <host>", "another name or address of a server; may be repeated", gather, [])
    .option("--cluster-name <name>", "of a peer", "proglog")
    .action(async (options: IssueOptions) => {
      await run(options, async (context) => {
        const { kind, name, host: hosts, clusterName, days } = options;
        const folder = folderOf(context, options);
        tell(context, await issueFromFiles(folder, { kind, name, hosts, clusterName, days }));
        return undefined;
      });
    });
}

function addCommon(command: Command): Command {
  return command
    .option("--dir <directory>", "where the files are (default: CONFIG_DIR, else ~/.proglog)")
    .option("--days <number>", "how long it is valid", wholeNumber(1))
    .option("--json", "print the files as a JSON object");
}

function gather(value: string, before: readonly string[]): string[] {
  return [...before, value];
}

/** The book's place for them. */
function folderOf({ env }: Context, { dir }: CertsOptions): string {
  const folder = dir ?? env["CONFIG_DIR"];
  if (folder !== undefined && folder !== "") return folder;
  if (homedir() === "") throw new ProglogError("CONFIGURATION", "no home directory: give --dir");
  return path.join(homedir(), ".proglog");
}

function tell(
  { json, out }: Context,
  files: { readonly cert: string; readonly key: string },
): void {
  if (json) out.json(files);
  else for (const file of [files.cert, files.key]) out.line(file);
}
