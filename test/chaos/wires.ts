import { networkNamespaces, Network } from "../system/support/netns.ts";
import type { NetworkHost, Slowness } from "../system/support/netns.ts";
import { ProxiedLoopback } from "./proxied-loopback.ts";

/** A host and where its server is to listen and what it is to tell others. */
export interface Host extends NetworkHost {
  readonly rpcPort: number;
  readonly gossipPort: number;
  /** Where clients and other servers reach its RPC port. */
  readonly rpcAddress: string;
}

/** What connects the servers with each other and with their clients, and can be cut. */
export interface Wires {
  readonly kind: "namespaces" | "proxies";
  readonly hosts: readonly Host[];
  /** What one host sends does not reach the other any more. */
  cut(from: number, to: number): void;
  slow(at: number, slowness: Slowness): void;
  heal(): void;
  close(): Promise<void>;
}

const RPC_PORT = 8400;
const GOSSIP_PORT = 8401;

/** Network namespaces where this process may make them; proxies elsewhere, and where they are wanted. */
export async function makeWires(count: number, kind?: Wires["kind"]): Promise<Wires> {
  if (kind === "proxies" || !networkNamespaces()) return ProxiedLoopback.open(count);
  const network = new Network(count);
  const hosts = network.hosts.map(({ address, under }) => ({
    ...{ address, under, rpcPort: RPC_PORT, gossipPort: GOSSIP_PORT },
    rpcAddress: `${address}:${RPC_PORT}`,
  }));
  return {
    kind: "namespaces",
    hosts,
    cut: (from, to) => network.cut(from, to, "one"),
    slow: (at, slowness) => network.slow(at, slowness),
    heal: () => network.heal(),
    close: () => {
      network[Symbol.dispose]();
      return Promise.resolve();
    },
  };
}
