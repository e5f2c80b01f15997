import { SETTINGS, startAgent } from "../agent/index.ts";
import type { Agent, AgentConfig } from "../agent/index.ts";
import { ProglogError } from "../base/index.ts";
import { report } from "./run.ts";
import type { Context } from "./run.ts";
import { say, terminalObserver, warn } from "./terminal.ts";
import { version } from "./version.ts";

/** Serves until somebody asks to end; then answers what has begun, and closes everything. */
export async function serve(context: Context, config: AgentConfig): Promise<void> {
  const { signal, json } = context;
  // Nothing may be answered or written after the disk lied: there is nothing to end in order.
  const onFailure = (error: ProglogError): never => process.exit(report(error, json));
  const observer = terminalObserver(config.logLevel, json);
  await using agent = await startAgent(config, { observer, onFailure, signal });
  if (json) announceInJson(agent);
  else announce(agent, config);
  await aborted(signal);
  if (!json) say("ending: no new work, what has begun is finished");
}

function announce(agent: Agent, config: AgentConfig): void {
  const { rpcAddress, httpAddress, dataDir } = agent;
  const http = httpAddress === undefined ? "" : `http ${httpAddress}, `;
  const where = `${http}grpc ${rpcAddress}, data ${dataDir}, pid ${process.pid}`;
  if (dataDir === SETTINGS.dataDir.fallback()) {
    warn(`the data is in the temporary directory, which may be emptied: see --data-dir`);
  }
  if (config.fsync === "relaxed") {
    warn("fsync is relaxed: what is acknowledged can be lost when this machine stops");
  }
  say("no access list: whoever reaches the ports may do everything");
  process.stderr.write(`proglog ${version()} ready: ${where}\n`);
  const record = `'{"record":{"value":"TGV0J3MgR28gIzEK"}}'`;
  say(`try: curl -X POST ${httpAddress ?? rpcAddress} -d ${record}`);
}

function announceInJson(agent: Agent): void {
  const { rpcAddress, httpAddress, dataDir } = agent;
  const ready = { event: "ready", version: version(), rpcAddress, httpAddress, dataDir };
  process.stderr.write(`${JSON.stringify({ ...ready, pid: process.pid })}\n`);
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
