import type { Observer, ProglogError } from "../base/index.ts";
import type { DataDirectory } from "../log/index.ts";
import type { Replica, ReplicaTiming } from "../replica/index.ts";
import { initialConfiguration } from "../replica/index.ts";
import { Autopilot } from "./autopilot.ts";
import type { AutopilotOptions } from "./autopilot.ts";
import { Bootstrapper } from "./bootstrapper.ts";
import type { DataLog } from "./data-log.ts";
import { startReplica } from "./data-log.ts";
import { AgentControl } from "./cluster-control.ts";
import { ClusterMetrics } from "./cluster-metrics.ts";
import { handOver } from "./hand-over.ts";
import { Links } from "./links.ts";
import { PeerAddresses, replicasSeen } from "./peer-addresses.ts";
import type { AgentPorts, MembersSeen, PeerSecurity } from "./ports.ts";
import { Reconciler } from "./reconciler.ts";
import { Removals } from "./removals.ts";
import { Standing } from "./standing.ts";
import type { Status } from "./status.ts";

/** In the data directory: what this server has said about a cluster that is to be made. */
const BOOTSTRAP_FILE = "bootstrap.json";

/** The name of the one log that there is. */
export const LOG_NAME = "default";

export interface ClusterOptions {
  /** For how many servers this one waits to make a cluster with; 0: for none. */
  readonly expect: number;
  /** Absent: nobody is ever removed but by an operator. */
  readonly autopilot?: AutopilotOptions | undefined;
  readonly security: PeerSecurity;
  readonly status: Pick<Status, "describe" | "stands">;
  readonly observer: Observer;
  readonly onFailure: (error: ProglogError) => void;
  /** How fast old entries are read for a server that is behind; 0: as fast as it goes. */
  readonly catchUpBytesPerSecond?: number | undefined;
  readonly timing?: Partial<ReplicaTiming> | undefined;
  readonly ports?: AgentPorts | undefined;
}

/** This server's replica among the others: links to them, who they are, and who leads. */
export class Cluster {
  readonly replica: Replica;
  readonly links: Links;
  readonly #replicaId: number;
  readonly #addresses: PeerAddresses;
  /** What operators ask. */
  readonly control: AgentControl;
  readonly #status: ClusterOptions["status"];
  readonly #observer: Observer;
  readonly #metrics: ClusterMetrics;
  readonly #ports: AgentPorts;
  #membership: MembersSeen | undefined;
  #bootstrapper: Bootstrapper | undefined;
  #reconciler: Reconciler | undefined;
  #standing: Standing | undefined;
  readonly #autopilotOptions: AutopilotOptions | undefined;
  #autopilot: Autopilot | undefined;

  private constructor(
    data: DataLog,
    { status, observer, onFailure, autopilot, ports = {} }: ClusterOptions,
    made: Pick<Cluster, "replica" | "links"> & { readonly addresses: PeerAddresses },
  ) {
    this.replica = made.replica;
    this.links = made.links;
    this.#addresses = made.addresses;
    this.#replicaId = data.directory.meta.replicaId;
    this.#status = status;
    this.#observer = observer;
    this.#ports = ports;
    this.#autopilotOptions = autopilot;
    this.control = new AgentControl({
      replica: made.replica,
      calls: made.links.calls,
      clusterName: data.directory.meta.clusterName,
      describe: () => status.describe(),
      describePeer: made.addresses.describe,
      membership: () => this.#membership,
      learn: (member) => made.links.links.learn(member),
      observer,
      clock: ports.clock,
    });
    this.#metrics = new ClusterMetrics(made.replica, observer);
    const removals = new Removals({
      replica: made.replica,
      cut: (replicaId) => made.links.cut(replicaId),
      onRemoved: onFailure,
    });
    made.links.begin(made.replica, {
      answered: (member, answer) => {
        removals.answered(answer);
        this.#reconciler?.answered(member, answer);
      },
      refuses: (hello) => removals.refuses(hello),
      whenFree: async (join) => (await this.#bootstrapper?.whenFree(join)) ?? false,
    });
  }

  /** An only voter leads when this resolves; others are dialled as soon as they can be found. */
  static async start(data: DataLog, options: ClusterOptions): Promise<Cluster> {
    const { security, status, observer, onFailure, ports = {} } = options;
    const { timing, catchUpBytesPerSecond } = options;
    const addresses = new PeerAddresses();
    const links = new Links({
      directory: data.directory,
      log: LOG_NAME,
      ...{ security, addresses, observer, onFailure, ports },
    });
    try {
      const replica = await startReplica(data, {
        describe: () => status.describe(),
        describePeer: addresses.describe,
        peers: links.peers,
        ...{ timing, catchUpBytesPerSecond },
        ...{ observer, clock: ports.clock, random: ports.random, schedule: ports.schedule },
      });
      const cluster = new Cluster(data, options, { replica, links, addresses });
      cluster.#bootstrapper = await cluster.#openBootstrapper(data.directory, options);
      return cluster;
    } catch (error) {
      await links.close();
      throw error;
    }
  }

  #openBootstrapper(
    directory: DataDirectory,
    { expect, observer, onFailure, ports: { clock, random } = {} }: ClusterOptions,
  ): Promise<Bootstrapper> {
    const { replica, links } = this;
    const { name, replicaId } = directory.meta;
    return Bootstrapper.open({
      own: { name, replicaId },
      ...{ expect, observer, onFailure, clock, random, calls: links.calls },
      seen: () => (this.#membership === undefined ? [] : replicasSeen(this.#membership)),
      hasState: () => directory.meta.clusterId !== "" || replica.status.lastIndex > 0,
      store: {
        load: () => directory.readSmallFile(BOOTSTRAP_FILE),
        save: (bytes) => directory.replaceSmallFile(BOOTSTRAP_FILE, bytes),
      },
      adopt: async (proposal) => {
        if (directory.meta.clusterId === "") await links.join(proposal.clusterId);
        await replica.begin(initialConfiguration(proposal));
      },
    });
  }

  /** For whoever looks at the metrics. */
  collect(): void {
    this.#metrics.collect();
  }

  /**
   * Gossip tells where the others are, and who is new. Once those that were told of have been looked
   * for, a server without a cluster may make one.
   */
  begin(membership: MembersSeen, rpcAddress: string, lookedFor: Promise<void>): void {
    const { replica, links } = this;
    const { clock } = this.#ports;
    this.#membership = membership;
    this.#addresses.begin(membership, rpcAddress);
    void lookedFor.then(() => this.#bootstrapper?.begin());
    const observer = this.#observer;
    this.#reconciler = new Reconciler({ replica, membership, links, observer, clock });
    const autopilot = this.#autopilotOptions;
    if (autopilot !== undefined) {
      this.#autopilot = new Autopilot({ ...autopilot, replica, membership, observer, clock });
    }
    const stands = (reason: string | undefined): void => this.#status.stands(reason);
    this.#standing = new Standing(replica, this.#replicaId, stands, clock);
  }

  /** Lets nobody in any more, and another one lead. */
  async retire(): Promise<void> {
    await this.#autopilot?.close();
    await this.#bootstrapper?.close();
    await this.#reconciler?.close();
    this.#standing?.close();
    await handOver(this.replica, this.#replicaId, this.#ports.clock);
  }

  /** Answers what has begun, then is silent. */
  async close(): Promise<void> {
    await this.#autopilot?.close();
    await this.#bootstrapper?.close();
    await this.#reconciler?.close();
    this.#standing?.close();
    await this.replica.close();
    await this.links.close();
  }
}
