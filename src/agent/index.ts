/**
 * # agent: a server assembled
 *
 * `startAgent` starts the parts of a server in order, each on those before it, and `close` stops them
 * in reverse: data directory, log, replica, services, listeners. It is the only place that knows all
 * of them. What an agent can be told stands in one table (`settings.ts`), from which flags, variables
 * and the keys of a file follow.
 *
 * ```ts
 * import { startAgent } from "proglog/agent";
 *
 * await using agent = await startAgent({
 *   dataDir: "./data",
 *   bindAddr: "127.0.0.1:0", // gossip: any free port
 *   rpcPort: 0,
 *   httpPort: "auto",
 * });
 * console.log(`gRPC on ${agent.rpcAddress}, HTTP on ${agent.httpAddress}`);
 * const { baseOffset } = await agent.commitLog.append({ value: Buffer.from("hello") }, {});
 * ```
 *
 * Invariants: a start that fails leaves nothing open, and so does a close; a value is accepted from
 * every source or from none; what is asked for and not there (TLS, access lists, other servers) is
 * refused, never left out in silence; without TLS only loopback is listened on, unless `insecure`.
 *
 * Left out on purpose: signals, exit codes and words for people, which are the command line's.
 */
export { type Agent, type AgentOptions, startAgent } from "./agent.ts";
export { completeConfig, type ConfigSources, loadConfig } from "./config.ts";
export {
  type DataLog,
  type DataLogOptions,
  type DataLogSettings,
  openDataLog,
  startReplica,
} from "./data-log.ts";
export { letHeapGrow } from "./heap.ts";
export { type AgentConfig, keyOf, type Setting, type SettingName, SETTINGS } from "./settings.ts";
export { type RecoveredLog, recoverDataLog } from "./recover.ts";
export { parseAddress } from "./values.ts";
export { IpcClient, type IpcMember } from "../transport/index.ts";
