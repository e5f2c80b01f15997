import * as path from "node:path";
import { letHeapGrow, parseAddress, startAgent } from "../agent/index.ts";
import type { Agent, AgentConfig } from "../agent/index.ts";
import { formatAddress } from "../base/index.ts";
import type { ProglogError } from "../base/index.ts";
import type { Context } from "./run.ts";
import { aborted, endedInOrder } from "./serve.ts";
import { version } from "./version.ts";

/** Between the ports of one server and of the next. */
const PORT_STEP = 10;

/** What the server of a place is told, besides what all are told. */
export type SettingsOf = (name: string) => Partial<AgentConfig>;

/** The servers of a cluster to try things with, by their places from 0. */
export function devName(at: number): string {
  return `dev-${at + 1}`;
}

/**
 * Serves a whole cluster in this process, until somebody asks to end: the first server makes it, the
 * others are let in. Each has its ports ten above those of the one before, and a directory of its own.
 */
export async function serveCluster(
  context: Context,
  config: AgentConfig,
  count: number,
  settingsOf: SettingsOf,
): Promise<void> {
  const agents: Agent[] = [];
  await endedInOrder(context, async () => {
    if (context.ownsProcess) letHeapGrow();
    try {
      for (let at = 0; at < count; at++) {
        const seeds = agents.map(({ gossipAddress }) => gossipAddress);
        const settings = { ...oneOf(context, config, at, seeds), ...settingsOf(devName(at)) };
        agents.push(await startAgent(settings, optionsOf(context, config, devName(at))));
      }
      await untilVoters(agents, context.signal);
      announce(context, agents, config);
      await aborted(context.signal);
      if (!isJson(context, config)) context.terminal.say("ending: what has begun is finished");
    } finally {
      await Promise.all(agents.map((agent) => agent.close()));
    }
  });
}

function oneOf(
  { json }: Context,
  config: AgentConfig,
  at: number,
  seeds: readonly string[],
): Partial<AgentConfig> {
  const { host, port } = parseAddress(config.bindAddr) ?? { host: "127.0.0.1", port: 0 };
  const shifted = (given: number): number => (given === 0 ? 0 : given + at * PORT_STEP);
  const { httpPort } = config;
  return {
    ...config,
    nodeName: devName(at),
    dataDir: path.join(config.dataDir, devName(at)),
    bindAddr: formatAddress(host, shifted(port)),
    rpcPort: shifted(config.rpcPort),
    httpPort: httpPort === "auto" ? httpPort : shifted(httpPort),
    bootstrap: at === 0,
    startJoinAddrs: seeds,
    ...(json ? { logFormat: "json" as const } : {}),
  };
}

function optionsOf(context: Context, config: AgentConfig, name: string) {
  const { stderr, signal } = context;
  // Lines of JSON stay what they are; a person wants to know whose word it is.
  const prefixed = {
    isTTY: stderr.isTTY === true,
    write: (text: string) => stderr.write(text.replaceAll(/^(?=.)/gm, `${name}  `)),
  };
  const onFailure = (error: ProglogError): void => context.exit(context.report(error));
  const logs = isJson(context, config) ? stderr : prefixed;
  return { logs, signal, onFailure, version: version() };
}

function isJson({ json }: Context, { logFormat }: AgentConfig): boolean {
  return json || logFormat === "json";
}

/** Every server knows that all of them vote. */
async function untilVoters(agents: readonly Agent[], signal: AbortSignal): Promise<void> {
  const isSo = ({ replica }: Agent): boolean =>
    replica.status.configuration.voters.length >= agents.length && replica.status.leader !== 0;
  await new Promise<void>((resolve, reject) => {
    const unsubscribe: (() => void)[] = [];
    const end = (): void => {
      for (const each of unsubscribe) each();
      signal.removeEventListener("abort", abort);
    };
    const abort = (): void => {
      end();
      reject(signal.reason as Error);
    };
    const look = (): void => {
      if (!agents.every(isSo)) return;
      end();
      resolve();
    };
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort);
    for (const { replica } of agents) unsubscribe.push(replica.onChange(look));
    look();
  });
}

function announce(context: Context, agents: readonly Agent[], config: AgentConfig): void {
  const { terminal, pid } = context;
  if (isJson(context, config)) {
    const servers = agents.map(({ rpcAddress, httpAddress, gossipAddress }, at) => ({
      ...{ name: devName(at), rpc_address: rpcAddress, http_address: httpAddress },
      gossip_address: gossipAddress,
    }));
    const { dataDir } = config;
    terminal.json({ event: "ready", version: version(), servers, data_dir: dataDir, pid });
    return;
  }
  const all = (of: (agent: Agent) => string | undefined): string => agents.map(of).join(" ");
  const [first] = agents;
  const http =
    first?.httpAddress === undefined ? "" : `http ${all(({ httpAddress }) => httpAddress)}, `;
  const rest = `grpc ${all(({ rpcAddress }) => rpcAddress)}, gossip ${first?.gossipAddress ?? ""}`;
  const where = `${http}${rest}, data ${config.dataDir}, pid ${pid}`;
  terminal.line(`proglog ${version()} ready: ${agents.length} servers, ${where}`);
}
