import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../../src/client/index.ts";
import type { Client, ServerListing } from "../../src/client/index.ts";
import { AgentServer } from "./servers.ts";

const LOOK_MS = 20;
const PATIENCE_MS = 30_000;

/** Whole servers in processes of their own that are one cluster, on one machine and one disk. */
export class AgentCluster implements AsyncDisposable {
  readonly servers: readonly AgentServer[];

  private constructor(servers: readonly AgentServer[]) {
    this.servers = servers;
  }

  /** All of them vote when this resolves; the first one leads. */
  static async start(directory: string, count = 3): Promise<AgentCluster> {
    const servers: AgentServer[] = [];
    const cluster = new AgentCluster(servers);
    try {
      let startJoinAddrs: readonly string[] = [];
      for (let at = 0; at < count; at++) {
        const nodeName = `server-${at}`;
        const bootstrap = at === 0;
        const settings = { nodeName, bootstrap, startJoinAddrs };
        const server = await AgentServer.start(join(directory, nodeName), settings);
        servers.push(server);
        startJoinAddrs = [...startJoinAddrs, await server.gossipAddress()];
      }
      await cluster.untilVoters();
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
    return cluster;
  }

  /** All addresses, for a client. */
  get address(): string {
    return this.servers.map(({ address }) => address).join(",");
  }

  /** Of all processes, so far. */
  get cpuSeconds(): number {
    return this.servers.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0);
  }

  async leader(): Promise<AgentServer> {
    const end = performance.now() + PATIENCE_MS;
    for (;;) {
      const leader = (await this.#listing()).find(({ isLeader }) => isLeader);
      const found = this.servers.find(({ address }) => address === leader?.rpcAddress);
      if (found !== undefined) return found;
      if (performance.now() > end) throw new Error("nobody leads the cluster");
      await sleep(LOOK_MS);
    }
  }

  async followers(): Promise<readonly AgentServer[]> {
    const leader = await this.leader();
    return this.servers.filter((server) => server !== leader);
  }

  async untilVoters(): Promise<void> {
    const end = performance.now() + PATIENCE_MS;
    const { length } = this.servers;
    for (;;) {
      const servers = await this.#listing();
      const voters = servers.filter(({ role }) => role === "voter");
      if (voters.length === length && servers.some(({ isLeader }) => isLeader)) return;
      if (performance.now() > end) throw new Error(`${voters.length} of ${length} servers vote`);
      await sleep(LOOK_MS);
    }
  }

  /** Every server has all records that any of them has. */
  async untilEven(): Promise<void> {
    const end = performance.now() + PATIENCE_MS;
    const clients = this.servers.map(only);
    try {
      for (;;) {
        const ends = await Promise.all(
          clients.map(async (client) => (await client.offsets()).next),
        );
        if (ends.every((next) => next === ends[0])) return;
        if (performance.now() > end) throw new Error(`the servers are apart: ${ends.join(", ")}`);
        await sleep(LOOK_MS);
      }
    } finally {
      await Promise.all(clients.map((client) => client.close()));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.servers.map((server) => server[Symbol.asyncDispose]()));
  }

  async #listing(): Promise<readonly ServerListing[]> {
    const [first] = this.servers;
    if (first === undefined) return [];
    await using client = only(first);
    return (await client.servers()).servers;
  }
}

/** A client of one server, which looks for no others. */
export function only({ address }: AgentServer): Client {
  return connect(`ipv4:${address}`);
}
