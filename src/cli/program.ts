import { Command, CommanderError } from "commander";
import { EXIT } from "./exit-codes.ts";
import type { Host } from "./host.ts";
import { runWork, tell } from "./run.ts";
import type { Run } from "./run.ts";
import { Terminal } from "./terminal.ts";
import { version } from "./version.ts";

/** What a file in `commands/` offers: it adds its options and its action. */
interface CommandModule {
  readonly define: (command: Command, run: Run) => void;
}

interface CommandEntry {
  readonly description: string;
  readonly load: () => Promise<CommandModule>;
}

/** The commands, each loaded only when it is asked for: `proglog --version` should be quick. */
const COMMANDS: Readonly<Record<string, CommandEntry>> = {
  agent: {
    description: "serve a log",
    load: () => import("./commands/agent.ts"),
  },
  dev: {
    description: "serve a throw-away log on this machine, to try things",
    load: () => import("./commands/dev.ts"),
  },
  produce: {
    description: "append records, from standard input or from the command line",
    load: () => import("./commands/produce.ts"),
  },
  consume: {
    description: "read records",
    load: () => import("./commands/consume.ts"),
  },
  servers: {
    description: "list the servers of a cluster",
    load: () => import("./commands/servers.ts"),
  },
  cluster: {
    description: "see and change who takes part, who leads, and how much is kept",
    load: () => import("./commands/cluster.ts"),
  },
  certs: {
    description: "make an authority, and certificates for servers and clients",
    load: () => import("./commands/certs.ts"),
  },
  log: {
    description: "work on a data directory that no server has open: verify, dump, export, import",
    load: () => import("./commands/log.ts"),
  },
  mirror: {
    description: "follow one log into another",
    load: () => import("./commands/mirror.ts"),
  },
  members: {
    description: "show who takes part in the gossip, or tell them of an event",
    load: () => import("./commands/members.ts"),
  },
  smoke: {
    description: "append a few records and read them back from every server of a cluster",
    load: () => import("./commands/smoke.ts"),
  },
  bench: {
    description: "measure a running server with a small load",
    load: () => import("./commands/bench.ts"),
  },
};

async function buildProgram(args: readonly string[], host: Host, run: Run): Promise<Command> {
  const program = new Command("proglog")
    .description("A distributed commit log.")
    .version(version(), "-V, --version", "print the version")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => host.stdout.write(text),
      writeErr: (text) => host.stderr.write(text),
      outputError: (text, write) => write(text.replace(/^error: /, "proglog: ")),
    })
    .showHelpAfterError("(--help shows what is possible)");
  const asked = args.find((arg) => !arg.startsWith("-") && arg !== "help");
  for (const [name, { description, load }] of Object.entries(COMMANDS)) {
    const command = program.command(name).description(description);
    if (name === asked) (await load()).define(command, run);
  }
  return program;
}

/** Runs one command line; resolves to the exit code. */
export async function main(args: readonly string[], host: Host): Promise<number> {
  let exitCode: number = EXIT.done;
  const run: Run = async (options, work) => {
    exitCode = await runWork(host, options, work);
  };
  try {
    const program = await buildProgram(args, host, run);
    await program.parseAsync([...args], { from: "user" });
    return exitCode;
  } catch (caught) {
    if (!(caught instanceof CommanderError)) return tell(new Terminal(host), caught, false);
    // Help and version that were asked for are no errors; commander has already said the others.
    return caught.exitCode === 0 ? EXIT.done : EXIT.usage;
  }
}
