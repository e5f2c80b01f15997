import type {
  Clock,
  Configuration,
  ConfigurationMember,
  Gunzip,
  Observer,
  Random,
} from "../base/index.ts";
import type { ReplicaId, RoleName } from "../raft/index.ts";
import type { Peers } from "./ports.ts";
import type { ProducerTable } from "./producers.ts";
import type { ReplicaLog } from "./replica-log.ts";

/** One server as `GetServers` shows it. */
export interface ServerInfo {
  readonly id: string;
  readonly rpcAddress: string;
  readonly httpAddress: string;
  readonly isLeader: boolean;
  readonly role: "voter" | "learner";
  /** One past the highest committed offset that it has; undefined where that is not known here. */
  readonly highWatermark: number | undefined;
  readonly fsyncRelaxed: boolean;
}

export interface ServersInfo {
  readonly clusterId: string;
  readonly term: number;
  readonly servers: readonly ServerInfo[];
}

/** What this server knows of itself and the replica does not. */
export interface ServerDescription {
  readonly clusterId: string;
  /** `--node-name`. */
  readonly id: string;
  readonly rpcAddress: string;
  readonly httpAddress: string;
  readonly fsyncRelaxed: boolean;
}

/** What another server is known by; what is not known may be left out. */
export type PeerDescription = Partial<
  Pick<ServerInfo, "rpcAddress" | "httpAddress" | "fsyncRelaxed">
>;

/** Where a replica stands. */
export interface ReplicaStatus {
  readonly role: RoleName;
  readonly term: number;
  /** 0: nobody is known to lead. */
  readonly leader: ReplicaId;
  readonly commitIndex: number;
  /** The last index in the log, durable or not. */
  readonly lastIndex: number;
  /** The one that is in force here. */
  readonly configuration: Configuration;
  /** It lost something, and neither votes nor counts until it is whole again. */
  readonly damaged: boolean;
}

/** The beat of a replica; everything it waits for is counted in ticks. */
export interface ReplicaTiming {
  readonly tickMs: number;
  readonly heartbeatTicks: number;
  /** Without a leader for so long, up to twice as long, a replica campaigns. */
  readonly electionTimeoutTicks: number;
}

export interface ReplicaOptions {
  /** Open; the replica is the only one who appends to it, and does not close it. */
  readonly log: ReplicaLog;
  /** The table that the log was opened with (`LogOptions.state`). */
  readonly producers: ProducerTable;
  /** This replica in the log's configuration. */
  readonly replicaId: number;
  /** The log's name. */
  readonly name?: string | undefined;
  /** Asked at each `servers()`: addresses are known only once the listeners are bound. */
  readonly describe: () => ServerDescription;
  /** What is known of another server of the cluster. */
  readonly describePeer?:
    ((member: ConfigurationMember) => PeerDescription | undefined) | undefined;
  /** Without it, compressed batches are refused as `UNSUPPORTED_COMPRESSION`. */
  readonly gunzip?: Gunzip | undefined;
  readonly clock?: Clock | undefined;
  readonly observer?: Observer | undefined;
  /**
   * Runs a task soon, after the input that is there already: appends that arrive together are then
   * decided together. The default is `setImmediate`.
   */
  readonly schedule?: ((task: () => void) => void) | undefined;
  /** The links to other replicas. Absent: there are none. */
  readonly peers?: Peers | undefined;
  /** Election timeouts are drawn from it. */
  readonly random?: Random | undefined;
  /**
   * How fast old entries are read for a follower that is behind, while nobody waits for it; 0: as fast as
   * the disk gives them. Absent: that of `limits`.
   */
  readonly catchUpBytesPerSecond?: number | undefined;
  /** Absent: those of `limits`. */
  readonly timing?: Partial<ReplicaTiming> | undefined;
}
