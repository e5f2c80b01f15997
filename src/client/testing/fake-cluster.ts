import type { ServerCredentials } from "@grpc/grpc-js";
import type { ServerListing } from "../../api/index.ts";
import { ProglogError } from "../../base/index.ts";
import { FakeLogServer } from "./fake-log-server.ts";

/** Servers that tell of each other, and one of which leads. Each has a log of its own. */
export class FakeCluster implements AsyncDisposable {
  readonly servers: FakeLogServer[] = [];
  /** Where each server is listed, if not where it listens. */
  readonly listedAt = new Map<FakeLogServer, string>();
  term = 7;
  leader: FakeLogServer | undefined;

  static async start(
    count: number,
    credentials: readonly ServerCredentials[] = [],
  ): Promise<FakeCluster> {
    const cluster = new FakeCluster();
    for (let i = 0; i < count; i++) {
      const server = await FakeLogServer.start(credentials[i]);
      cluster.servers.push(server);
      server.onGetServers = () => ({
        clusterId: "c",
        term: cluster.term,
        servers: cluster.servers.map((one) => cluster.listing(one)),
      });
      const refuse = (): void => {
        if (server === cluster.leader) return;
        throw new ProglogError("NOT_LEADER", "this server does not lead", { notAppended: true });
      };
      server.onCall = (name) => {
        if (name === "Produce" || name === "CreateProducer") refuse();
      };
    }
    cluster.leader = cluster.servers[0];
    return cluster;
  }

  get address(): string {
    return this.servers.map(({ address }) => address).join(",");
  }

  /** How often each server was called. */
  calls(method: string): number[] {
    return this.servers.map(({ calls }) => calls.get(method) ?? 0);
  }

  listing(server: FakeLogServer, isLeader: boolean = server === this.leader): ServerListing {
    return {
      id: server.address,
      rpcAddress: this.listedAt.get(server) ?? server.address,
      httpAddress: "",
      isLeader,
      role: "voter",
      highWatermark: server.next,
      fsyncRelaxed: false,
    };
  }

  elect(leader: FakeLogServer | undefined): void {
    this.leader = leader;
    this.term += 1;
  }

  [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.servers) server.kill();
    return Promise.resolve();
  }
}
