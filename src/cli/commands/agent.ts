import type { Command } from "commander";
import { loadConfig } from "../../agent/index.ts";
import { addAgentOptions, settingFlags } from "../agent-options.ts";
import type { CommonOptions, Run } from "../run.ts";
import { serve } from "../serve.ts";

interface AgentOptions extends CommonOptions {
  readonly configFile?: string;
}

export function define(command: Command, run: Run): void {
  addAgentOptions(command, {});
  command
    .option("--json", "tell events as JSON lines")
    .addHelpText("after", "\nEach flag is also a variable: --data-dir is PROGLOG_DATA_DIR.")
    .action(async (options: AgentOptions & Readonly<Record<string, unknown>>) => {
      await run(options, async (context) => {
        const { configFile } = options;
        const flags = settingFlags(options);
        await serve(context, await loadConfig({ configFile, env: context.env, flags }));
        return undefined;
      });
    });
}
