import { isIP } from "node:net";
import { formatAddress, limits, ProglogError } from "../base/index.ts";

/** Where a server listens. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** The scheme of addresses that stand for a cluster. */
export const SCHEME = "proglog";
const DEFAULT_PORT = 8400;

/** gRPC's own schemes: such an address is one server, or what a name stands for, and nothing is asked. */
const GRPC_SCHEMES = /^(dns|unix|unix-abstract|ipv4|ipv6|xds):/;

/** What grpc-js is given for what a user gave: `host:port`, several with commas, or a URI. */
export function targetOf(address: string): {
  readonly target: string;
  readonly isCluster: boolean;
} {
  if (GRPC_SCHEMES.test(address)) return { target: address, isCluster: false };
  const seeds = parseSeeds(address);
  return { target: `${SCHEME}:///${seeds.map(formatHostPort).join(",")}`, isCluster: true };
}

/**
 * The servers to ask first: `proglog://host:port,host:port`, with or without the scheme. Throws
 * `INVALID_ARGUMENT`.
 */
export function parseSeeds(address: string): HostPort[] {
  const list = address.replace(new RegExp(`^${SCHEME}:`), "").replaceAll(/^\/+|\/+$/g, "");
  const seeds = new Map<string, HostPort>();
  for (const part of list.split(",")) {
    const seed = parseHostPort(part.trim());
    if (seed === undefined) {
      throw new ProglogError("INVALID_ARGUMENT", `"${part}" is not a server's host:port`);
    }
    seeds.set(formatHostPort(seed), seed);
  }
  if (seeds.size > limits.clientServersMax) {
    throw new ProglogError(
      "INVALID_ARGUMENT",
      `${seeds.size} addresses are too many, ${limits.clientServersMax} are allowed`,
    );
  }
  return [...seeds.values()];
}

/** `host:port`, `[::1]:port`, or a host alone; undefined for anything else. */
export function parseHostPort(text: string): HostPort | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:/?#@[\]]+))(?::(\d{1,5}))?$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || (match?.[1] !== undefined && isIP(host) !== 6)) return undefined;
  const port = match?.[3] === undefined ? DEFAULT_PORT : Number(match[3]);
  return port > 0 && port < 65_536 ? { host, port } : undefined;
}

export function formatHostPort({ host, port }: HostPort): string {
  return formatAddress(host, port);
}
