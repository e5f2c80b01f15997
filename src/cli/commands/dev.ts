import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import * as path from "node:path";
import type { Command } from "commander";
import { loadConfig } from "../../agent/index.ts";
import { ProglogError } from "../../base/index.ts";
import { addAgentOptions, settingFlags } from "../agent-options.ts";
import { makeDevSecurity } from "../dev-security.ts";
import type { CommonOptions, Run } from "../run.ts";
import { serve } from "../serve.ts";

interface DevOptions extends CommonOptions {
  readonly configFile?: string;
  readonly replicas: string;
  readonly secure?: boolean;
}

const HTTP_PORT = 8080;

export function define(command: Command, run: Run): void {
  addAgentOptions(command, {
    httpPort: String(HTTP_PORT),
    dataDir: "a temporary one, removed at the end",
  });
  command
    .option("--replicas <number>", "servers to start; this version knows 1", "1")
    .option(
      "--secure",
      "with certificates and an access list made for it: root may, nobody may not",
    )
    .option("--json", "tell events as JSON lines")
    .action(async (options: DevOptions & Readonly<Record<string, unknown>>) => {
      await run(options, async (context) => {
        if (options.replicas !== "1") {
          const message = `--replicas ${options.replicas}: this version serves one replica only`;
          throw new ProglogError("CONFIGURATION", message);
        }
        const throwAway = path.join(tmpdir(), `proglog-dev-${randomBytes(6).toString("hex")}`);
        const security =
          options.secure === true ? await makeDevSecurity(`${throwAway}-certs`) : undefined;
        const config = await loadConfig({
          defaults: { dataDir: throwAway, httpPort: HTTP_PORT, ...security?.settings },
          configFile: options.configFile,
          env: context.env,
          flags: settingFlags(options),
        });
        const isThrownAway = config.dataDir === throwAway;
        if (isThrownAway)
          context.terminal.say(
            `the data is removed at the end; --data-dir keeps it (${throwAway})`,
          );
        if (security !== undefined)
          context.terminal.say(`to be root: export ${security.variables}`);
        try {
          await serve(context, config, security?.curl);
        } finally {
          if (isThrownAway) await rm(throwAway, { recursive: true, force: true });
          await rm(`${throwAway}-certs`, { recursive: true, force: true });
        }
        return undefined;
      });
    });
}
