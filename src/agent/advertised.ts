import { keyOf } from "./settings.ts";
import type { AgentConfig } from "./settings.ts";
import { isLoopback, parseAddress } from "./values.ts";

type Advertised =
  "advertiseRpcAddr" | "advertiseHttpAddr" | "advertiseGossipAddr" | "advertiseExternalAddr";

const ADVERTISED: readonly Advertised[] = [
  "advertiseRpcAddr",
  "advertiseHttpAddr",
  "advertiseGossipAddr",
  "advertiseExternalAddr",
];
/** What other servers dial; the rest is for clients, who may well be on this machine only. */
const FOR_SERVERS: readonly Advertised[] = ["advertiseRpcAddr", "advertiseGossipAddr"];

/**
 * What is wrong with the addresses that others are told, as far as this server alone can tell: an address
 * that is no place, one that leads others to themselves, and gossip where another protocol is.
 */
export function advertisedProblems(config: AgentConfig): readonly string[] {
  const problems: string[] = [];
  const bound = parseAddress(config.bindAddr);
  const isReachedByOthers = bound !== undefined && !isLoopback(bound.host) && hasOthers(config);
  for (const name of ADVERTISED) {
    const given = `--${keyOf(name)} ${config[name]}`;
    const told = parseAddress(config[name]);
    if (told === undefined) continue;
    if (isEverywhere(told.host)) {
      problems.push(`${given} is where to listen, not where to be found: name this server's host`);
    } else if (told.port === 0) {
      problems.push(`${given} has no port that anybody could dial`);
    } else if (isReachedByOthers && FOR_SERVERS.includes(name) && isLoopback(told.host)) {
      problems.push(
        `${given} contradicts --bind-addr ${config.bindAddr}: other servers would look for this ` +
          "one on their own machines",
      );
    }
  }
  return [...problems, ...sharedWithGossip(config)];
}

/** Gossip has a port of its own. */
function sharedWithGossip(config: AgentConfig): string[] {
  const { advertiseGossipAddr, bindAddr } = config;
  const byGossip = advertiseGossipAddr || bindAddr;
  const asked = advertiseGossipAddr === "" ? "--bind-addr" : "--advertise-gossip-addr";
  // Any port that is free will not be one that was named.
  if (parseAddress(byGossip)?.port === 0) return [];
  return ADVERTISED.filter(
    (name) => name !== "advertiseGossipAddr" && config[name] === byGossip,
  ).map(
    (name) =>
      `--${keyOf(name)} and ${asked} are both ${byGossip}: gossip has a port of its own, so ` +
      "choose another",
  );
}

function hasOthers({ startJoinAddrs, bootstrapExpect }: AgentConfig): boolean {
  return startJoinAddrs.length > 0 || bootstrapExpect > 1;
}

function isEverywhere(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}
