import { Command, CommanderError } from "commander";
import { EXIT } from "./exit-codes.ts";
import { report } from "./run.ts";
import { version } from "./version.ts";

/** What a file in `commands/` offers: it adds its options and its action. */
interface CommandModule {
  readonly define: (command: Command) => void;
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
  log: {
    description: "work on a data directory that no server has open: verify, dump, export, import",
    load: () => import("./commands/log.ts"),
  },
  mirror: {
    description: "follow one log into another",
    load: () => import("./commands/mirror.ts"),
  },
  bench: {
    description: "measure a running server with a small load",
    load: () => import("./commands/bench.ts"),
  },
};

async function buildProgram(args: readonly string[]): Promise<Command> {
  const program = new Command("proglog")
    .description("A distributed commit log.")
    .version(version(), "-V, --version", "print the version")
    .exitOverride()
    .showHelpAfterError("(--help shows what is possible)");
  const asked = args.find((arg) => !arg.startsWith("-") && arg !== "help");
  for (const [name, { description, load }] of Object.entries(COMMANDS)) {
    const command = program.command(name).description(description);
    if (name === asked) (await load()).define(command);
  }
  return program;
}

/** Runs one command line. Sets the exit code, and leaves the process to end by itself. */
export async function main(args: readonly string[]): Promise<void> {
  try {
    const program = await buildProgram(args);
    await program.parseAsync([...args], { from: "user" });
  } catch (caught) {
    if (!(caught instanceof CommanderError)) process.exitCode = report(caught, false);
    // Help and version that were asked for are no errors; commander has already said the others.
    else process.exitCode = caught.exitCode === 0 ? EXIT.done : EXIT.usage;
  }
}
