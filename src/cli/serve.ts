import { letHeapGrow, SETTINGS, startAgent } from "../agent/index.ts";
import type { Agent, AgentConfig } from "../agent/index.ts";
import { ProglogError } from "../base/index.ts";
import type { Context } from "./run.ts";
import { version } from "./version.ts";

/**
 * Serves until somebody asks to end, which is no failure even before the start is over; then answers
 * what has begun, and closes everything.
 */
export async function serve(context: Context, config: AgentConfig): Promise<void> {
  try {
    await serveUntilAsked(context, config);
  } catch (error) {
    const isEnd = ProglogError.from(error).code === "CANCELLED";
    if (!isEnd || !context.signal.aborted) throw error;
  }
}

async function serveUntilAsked(context: Context, config: AgentConfig): Promise<void> {
  const { signal, json, terminal, exit } = context;
  if (context.ownsProcess) letHeapGrow();
  // Nothing may be answered or written after the disk lied: there is nothing to end in order.
  const onFailure = (error: ProglogError): void => exit(context.report(error));
  const settings: AgentConfig = json ? { ...config, logFormat: "json" } : config;
  const options = { logs: context.stderr, version: version(), onFailure, signal };
  await using agent = await startAgent(settings, options);
  if (settings.logFormat === "json") announceInJson(context, agent);
  else announce(context, agent, config);
  await aborted(signal);
  if (settings.logFormat !== "json")
    terminal.say("ending: no new work, what has begun is finished");
}

function announce({ terminal, pid }: Context, agent: Agent, config: AgentConfig): void {
  const { rpcAddress, httpAddress, dataDir } = agent;
  const http = httpAddress === undefined ? "" : `http ${httpAddress}, `;
  const where = `${http}grpc ${rpcAddress}, data ${dataDir}, pid ${pid}`;
  if (dataDir === SETTINGS.dataDir.fallback()) {
    terminal.warn(`the data is in the temporary directory, which may be emptied: see --data-dir`);
  }
  if (config.fsync === "relaxed") {
    terminal.warn("fsync is relaxed: what is acknowledged can be lost when this machine stops");
  }
  terminal.say("no access list: whoever reaches the ports may do everything");
  terminal.line(`proglog ${version()} ready: ${where}`);
  const record = `'{"record":{"value":"TGV0J3MgR28gIzEK"}}'`;
  terminal.say(`try: curl -X POST ${httpAddress ?? rpcAddress} -d ${record}`);
}

function announceInJson({ terminal, pid }: Context, agent: Agent): void {
  const { rpcAddress, httpAddress, dataDir } = agent;
  const where = { rpc_address: rpcAddress, http_address: httpAddress, data_dir: dataDir };
  terminal.json({ event: "ready", version: version(), ...where, pid });
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
