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
import { devName, serveCluster } from "../serve-cluster.ts";

interface DevOptions extends CommonOptions {
  readonly configFile?: string;
  readonly replicas: string;
  readonly secure?: boolean;
}

const HTTP_PORT = 8080;
/** More would show nothing else, and share the same processor. */
const REPLICAS_MAX = 9;

export function define(command: Command, run: Run): void {
  addAgentOptions(command, {
    httpPort: String(HTTP_PORT),
    dataDir: "a temporary one, removed at the end",
  });
  command
    .option("--replicas <number>", "servers to start, as one cluster in this process", "1")
    .option(
      "--secure",
      "with certificates and an access list made for it: root may, nobody may not",
    )
    .option("--json", "tell events as JSON lines")
    .action(async (options: DevOptions & Readonly<Record<string, unknown>>) => {
      await run(options, async (context) => {
        const count = countOf(options.replicas);
        const throwAway = path.join(tmpdir(), `proglog-dev-${randomBytes(6).toString("hex")}`);
        const security =
          options.secure === true
            ? await makeDevSecurity(
                `${throwAway}-certs`,
                Array.from({ length: count }, (_, at) => devName(at)),
              )
            : undefined;
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
          if (count === 1) await serve(context, config, security?.curl);
          else await serveCluster(context, config, count, security?.settingsOf ?? (() => ({})));
        } finally {
          if (isThrownAway) await rm(throwAway, { recursive: true, force: true });
          await rm(`${throwAway}-certs`, { recursive: true, force: true });
        }
        return undefined;
      });
    });
}

function countOf(replicas: string): number {
  const count = /^\d+$/.test(replicas) ? Number(replicas) : 0;
  if (count >= 1 && count <= REPLICAS_MAX) return count;
  const message = `--replicas ${replicas} is not a number from 1 to ${REPLICAS_MAX}`;
  throw new ProglogError("CONFIGURATION", message);
}
