import { letHeapGrow, SETTINGS, startAgent } from "../agent/index.ts";
import type { Agent, AgentConfig } from "../agent/index.ts";
import { ProglogError } from "../base/index.ts";
import type { Context } from "./run.ts";
import type { Terminal } from "./terminal.ts";
import { version } from "./version.ts";

/**
 * Serves until somebody asks to end, which is no failure even before the start is over; then answers
 * what has begun, and closes everything.
 */
export async function serve(
  context: Context,
  config: AgentConfig,
  curlOptions?: string,
): Promise<void> {
  await endedInOrder(context, () => serveUntilAsked(context, config, curlOptions));
}

/** To be asked to end is no failure, even before the start is over. */
export async function endedInOrder(context: Context, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const isEnd = ProglogError.from(error).code === "CANCELLED";
    if (!isEnd || !context.signal.aborted) throw error;
  }
}

async function serveUntilAsked(
  context: Context,
  config: AgentConfig,
  curlOptions: string | undefined,
): Promise<void> {
  const { signal, json, terminal, exit } = context;
  if (context.ownsProcess) letHeapGrow();
  // Nothing may be answered or written after the disk lied: there is nothing to end in order.
  const onFailure = (error: ProglogError): void => exit(context.report(error));
  const settings: AgentConfig = json ? { ...config, logFormat: "json" } : config;
  const options = { logs: context.stderr, version: version(), onFailure, signal };
  await using agent = await startAgent(settings, options);
  if (settings.logFormat === "json") announceInJson(context, agent);
  else announce(context, agent, config, curlOptions);
  await aborted(signal);
  if (settings.logFormat !== "json")
    terminal.say("ending: no new work, what has begun is finished");
}

function announce(
  { terminal, pid }: Context,
  agent: Agent,
  config: AgentConfig,
  curlOptions: string | undefined,
): void {
  const { rpcAddress, httpAddress, gossipAddress, dataDir } = agent;
  const http = httpAddress === undefined ? "" : `http ${httpAddress}, `;
  const where = `${http}grpc ${rpcAddress}, gossip ${gossipAddress}, data ${dataDir}, pid ${pid}`;
  if (dataDir === SETTINGS.dataDir.fallback()) {
    terminal.warn(`the data is in the temporary directory, which may be emptied: see --data-dir`);
  }
  if (config.fsync === "relaxed") {
    terminal.warn("fsync is relaxed: what is acknowledged can be lost when this machine stops");
  }
  announceAccess(terminal, config);
  terminal.line(`proglog ${version()} ready: ${where}`);
  const record = `'{"record":{"value":"TGV0J3MgR28gIzEK"}}'`;
  const address = httpAddress ?? rpcAddress;
  const isSecure = config.serverTlsCertFile !== "";
  const target = isSecure ? `${curlOptions ?? "--cacert …"} https://${address}` : address;
  terminal.say(`try: curl -X POST ${target} -d ${record}`);
}

/** Who may do what here, in one line. */
function announceAccess(terminal: Terminal, config: AgentConfig): void {
  const hasPolicy = config.aclPolicyFile !== "";
  if (config.serverTlsCertFile === "") {
    if (!hasPolicy) terminal.say("no access list: whoever reaches the ports may do everything");
    else terminal.warn("an access list without TLS: nobody can say who he is, so all are refused");
  } else if (config.serverTlsCaFile === "") {
    const refused = "no authority of clients: nobody can say who he is, so all are refused";
    if (hasPolicy) terminal.warn(refused);
    else terminal.warn("no authority of clients: whoever reaches the ports may do everything");
  } else if (!hasPolicy) {
    terminal.say("no access list: every client that the authority signed may do everything");
  } else {
    terminal.say(`what clients may do stands in ${config.aclPolicyFile}`);
  }
}

function announceInJson({ terminal, pid }: Context, agent: Agent): void {
  const { rpcAddress, httpAddress, gossipAddress, dataDir } = agent;
  const listens = { rpc_address: rpcAddress, http_address: httpAddress };
  const where = { ...listens, gossip_address: gossipAddress, data_dir: dataDir };
  terminal.json({ event: "ready", version: version(), ...where, pid });
}

export async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
