import { networkInterfaces } from "node:os";
import * as path from "node:path";
import { formatAddress, limits, ProglogError, systemClock } from "../base/index.ts";
import type { Observer } from "../base/index.ts";
import type { Address, Profile, Tags } from "../gossip/index.ts";
import { fileSnapshot, Membership } from "../membership/index.ts";
import type { GossipWire } from "../membership/index.ts";
import {
  formatIp,
  GossipSocket,
  IpcLog,
  IpcServer,
  resolveHost,
  serfCodec,
} from "../transport/index.ts";
import { REPLICA_ROLE, TAG } from "./peer-addresses.ts";
import { GossipKeyring } from "./gossip-keys.ts";
import type { AgentConfig } from "./settings.ts";
import { isLoopback, parseAddress } from "./values.ts";

/** What others are told of this server. */
export interface ServerFacts {
  readonly name: string;
  readonly replicaId: number;
  readonly rpcAddress: string;
  readonly httpAddress: string;
}

export interface AgentGossipOptions {
  readonly observer: Observer;
  /** Another server has our name, and most members believe it. */
  readonly onConflictLost: (error: ProglogError) => void;
  readonly profile: Profile | undefined;
}

/** This server among the others: membership on its port, and Serf's tools on theirs. */
export class AgentGossip {
  readonly membership: Membership;
  /** Where it gossips: `host:port`. */
  readonly address: string;
  /** Resolves when each seed was tried once, with or without success. */
  readonly firstJoin: Promise<void>;
  readonly #ipc: IpcServer | undefined;

  private constructor(
    membership: Membership,
    address: string,
    firstJoin: Promise<void>,
    ipc: IpcServer | undefined,
  ) {
    this.membership = membership;
    this.address = address;
    this.firstJoin = firstJoin;
    this.#ipc = ipc;
  }

  /** Throws `ADDRESS_IN_USE`, or `CONFIGURATION` when an address or the key cannot be used. */
  static async start(
    config: AgentConfig,
    facts: ServerFacts,
    options: AgentGossipOptions,
  ): Promise<AgentGossip> {
    const log = new IpcLog(options.observer, systemClock);
    const kept = path.join(config.dataDir, "gossip.keyring");
    const keys = new GossipKeyring(kept, config.gossipKey, log);
    const socket = await openSocket(config, keys, log);
    let membership: Membership | undefined;
    try {
      const { name } = facts;
      membership = await Membership.start({
        name,
        address: await advertised(config, socket.address),
        tags: tagsOf(config, facts),
        wire: socket satisfies GossipWire,
        keys,
        codec: serfCodec,
        addresses: { resolve: resolveHost, format: formatIp },
        snapshot: fileSnapshot(path.join(config.dataDir, "gossip.snapshot")),
        observer: log,
        profile: options.profile,
        onConflictLost: options.onConflictLost,
      });
      const firstJoin = lookForOthers(membership, config.startJoinAddrs);
      const { ip, port } = socket.address;
      return new AgentGossip(
        membership,
        formatAddress(formatIp(ip), port),
        firstJoin,
        await listenForTools(config, membership, log),
      );
    } catch (error) {
      await membership?.close();
      await socket.close();
      throw error;
    }
  }

  /**
   * Says goodbye, so that the others take it for a leave and not for a crash, and that the same name
   * may come back at another address; then lets go of the ports.
   */
  async close(): Promise<void> {
    await this.#ipc?.close();
    const others = this.membership
      .members()
      .filter(({ name, status }) => name !== this.membership.name && status === "alive");
    if (others.length > 0) {
      const { promise, cancel } = timeout(limits.leaveTimeoutMs);
      await Promise.race([this.membership.leave(), promise]);
      cancel();
    }
    await this.membership.close();
  }
}

/** Resolves when each seed was tried once; goes on looking for others as long as nobody is there. */
async function lookForOthers(membership: Membership, seeds: readonly string[]): Promise<void> {
  if (seeds.length > 0) {
    await membership.joinOnce(seeds).catch((error: unknown) => {
      if (!(error instanceof ProglogError)) throw error;
    });
  }
  void membership.keepJoined(seeds);
}

function timeout(ms: number): { readonly promise: Promise<void>; readonly cancel: () => void } {
  let cancel: () => void = () => undefined;
  const promise = new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, ms);
    cancel = () => clearTimeout(timer);
  });
  return { promise, cancel };
}

/** Without a key only this machine may gossip with us, whatever host the other ports are bound to. */
async function openSocket(
  config: AgentConfig,
  { keyring }: GossipKeyring,
  observer: Observer,
): Promise<GossipSocket> {
  const { host, port } = parseAddress(config.bindAddr) ?? { host: "127.0.0.1", port: 0 };
  const isNarrowed = keyring.isEmpty && !isLoopback(host);
  if (isNarrowed) {
    observer.log("warn", "gossip.on-loopback", { reason: "there is no --gossip-key" });
  }
  const boundHost = isNarrowed ? (host.includes(":") ? "::1" : "127.0.0.1") : host;
  return GossipSocket.open({ host: boundHost, port, keyring, observer });
}

/** Where others reach us: as it was said, else where we are bound, else the machine's own address. */
async function advertised(config: AgentConfig, bound: Address): Promise<Address> {
  const said = parseAddress(config.advertiseGossipAddr);
  if (said !== undefined) {
    const [ip] = await resolveHost(said.host).catch(() => []);
    if (ip !== undefined) return { ip, port: said.port };
    const sentence = `--advertise-gossip-addr ${config.advertiseGossipAddr}: the host has no address`;
    throw new ProglogError("CONFIGURATION", sentence);
  }
  if (bound.ip.some((byte) => byte !== 0)) return bound;
  const family = bound.ip.length === 4 ? "IPv4" : "IPv6";
  const own = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter((address) => !address.internal && !address.address.startsWith("fe80"));
  const found = own.find((address) => address.family === family) ?? own[0];
  const [ip] = found === undefined ? [] : await resolveHost(found.address);
  if (ip !== undefined) return { ip, port: bound.port };
  const sentence = "this machine has no address that others could use: see --advertise-gossip-addr";
  throw new ProglogError("CONFIGURATION", sentence);
}

function tagsOf(config: AgentConfig, facts: ServerFacts): Tags {
  const { advertiseExternalAddr } = config;
  return {
    [TAG.role]: REPLICA_ROLE,
    [TAG.replicaId]: String(facts.replicaId),
    [TAG.rpcAddress]: facts.rpcAddress,
    ...(facts.httpAddress === "" ? {} : { [TAG.httpAddress]: facts.httpAddress }),
    ...(advertiseExternalAddr === "" ? {} : { [TAG.externalAddress]: advertiseExternalAddr }),
    ...(config.bootstrapExpect === 0 ? {} : { [TAG.expect]: String(config.bootstrapExpect) }),
    ...(config.fsync === "always" ? {} : { [TAG.fsync]: config.fsync }),
  };
}

async function listenForTools(
  config: AgentConfig,
  membership: Membership,
  log: IpcLog,
): Promise<IpcServer | undefined> {
  const at = parseAddress(config.serfRpcAddr);
  if (at === undefined) return undefined;
  const server = await IpcServer.listen({ ...at, authKey: config.serfRpcAuth, membership, log });
  log.log("info", "gossip.serf-rpc", { address: formatAddress(at.host, server.port) });
  return server;
}
