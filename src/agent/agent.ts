import { silentObserver } from "../base/index.ts";
import type { ProglogError } from "../base/index.ts";
import { Tails } from "../server/index.ts";
import type { CommitLog } from "../server/index.ts";
import type { Disk } from "../log/index.ts";
import type { Profile } from "../gossip/index.ts";
import type { Membership } from "../membership/index.ts";
import type { Replica, ReplicaTiming } from "../replica/index.ts";
import { Cluster, LOG_NAME } from "./cluster.ts";
import { completeConfig } from "./config.ts";
import { openDataLog } from "./data-log.ts";
import { Doors } from "./doors.ts";
import { HealthDoor } from "./health-door.ts";
import { hearingSyncs, startObservation } from "./observation.ts";
import type { ObservationOptions } from "./observation.ts";
import { ObservedLog } from "./observed-log.ts";
import { forwardingLog } from "./forwarding.ts";
import { AgentGossip } from "./gossip.ts";
import { seedRetention } from "./retention-seed.ts";
import { Security } from "./security.ts";
import { Parts } from "./parts.ts";
import { defaultNodeName } from "./settings.ts";
import type { AgentConfig } from "./settings.ts";
import { Status } from "./status.ts";

export interface AgentOptions extends ObservationOptions {
  /**
   * Told once when this server can go on no more: the disk failed, so that nothing can be
   * acknowledged and another try would lie, or it was removed from its cluster. The process is
   * expected to end at once, without `close`.
   */
  readonly onFailure?: ((error: ProglogError) => void) | undefined;
  /** Absent: the real one. Only on the real one is the data directory locked. */
  readonly disk?: Disk | undefined;
  /** The beat of the replica, where the usual one does not fit. */
  readonly timing?: Partial<ReplicaTiming> | undefined;
  /** The beat of gossip, which all servers of a cluster should share. Absent: `PROFILES.lan`. */
  readonly gossipProfile?: Profile | undefined;
  /** Ends the start; what had started is stopped again. Has no meaning afterwards. */
  readonly signal?: AbortSignal | undefined;
}

/** A server that runs. */
export interface Agent extends AsyncDisposable {
  /** Where gRPC is answered, and HTTP/1.1 too: `host:port`. */
  readonly rpcAddress: string;
  /** Where HTTP is answered on a port of its own. */
  readonly httpAddress: string | undefined;
  /** Where the server gossips with others. */
  readonly gossipAddress: string;
  /** Where health and metrics are told in plaintext. */
  readonly healthAddress: string | undefined;
  readonly dataDir: string;
  /** Who is there, this server included. */
  readonly membership: Membership;
  /** The log itself, for a program that embeds the server. */
  readonly commitLog: CommitLog;
  /** Its part in the cluster: who leads, who takes part, and changes of that. */
  readonly replica: Replica;
  /** Lets another one lead, takes nothing new, answers what has begun, makes it durable, and lets go of everything. */
  close(): Promise<void>;
}

/**
 * Starts a server, with defaults for what is not given. Rejects with `CONFIGURATION` (a setting is
 * wrong), `LOCKED` (another process has the data directory), `ADDRESS_IN_USE`, `UNSUPPORTED_FORMAT`,
 * `STORAGE_FAILED`, `DATA_LOSS`; then nothing is left open.
 */
export async function startAgent(
  settings: Partial<AgentConfig>,
  options: AgentOptions = {},
): Promise<Agent> {
  const config = completeConfig(settings);
  const parts = new Parts();
  try {
    return await start(config, options, parts);
  } catch (error) {
    await parts.stop();
    throw error;
  }
}

/** Before the data directory is made or touched: who cannot use his certificates leaves no trace. */
async function checkSecurity(config: AgentConfig): Promise<void> {
  const { clusterName } = config;
  const options = { clusterName, logName: LOG_NAME, observer: silentObserver };
  (await Security.open(config, options)).close();
}

/** The parts in their order: each needs those before it. */
async function start(config: AgentConfig, options: AgentOptions, parts: Parts): Promise<Agent> {
  const { signal, disk } = options;
  const telemetry = startObservation(config, config.nodeName || defaultNodeName(), options);
  parts.started(() => telemetry.close());
  const { observer, observesCalls } = telemetry;
  const status = new Status(config, options.onFailure);
  signal?.throwIfAborted();

  const onFailure = (error: ProglogError): void => status.failed(error);
  let observedLog: ObservedLog | undefined;
  const heard = hearingSyncs(observer, (seconds) => observedLog?.synced(seconds));
  const health = await HealthDoor.open(config, {
    ...{ observer, readiness: () => status.readiness, metrics: telemetry.render },
  });
  parts.started(() => health?.close() ?? Promise.resolve());
  await checkSecurity(config);
  const data = await openDataLog(config, { observer: heard, disk, onFailure, ...startsAs(config) });
  parts.started(() => data.close());
  status.opened(data);
  signal?.throwIfAborted();

  const { clusterName, name, replicaId } = data.directory.meta;
  const security = await Security.open(config, { clusterName, logName: LOG_NAME, observer });
  parts.started(() => {
    security.close();
    return Promise.resolve();
  });
  const cluster = await Cluster.start(data, {
    ...{ security, status, observer, onFailure },
    expect: expectedBy(config),
    autopilot: {
      removeAfterMs: config.autopilotRemoveAfter,
      votersMin: config.autopilotVotersMin,
    },
    catchUpBytesPerSecond: config.catchUpBytesPerSecond,
    timing: options.timing,
  });
  parts.started(() => cluster.close());
  const { replica } = cluster;
  await seedRetention(replica, config, observer);
  signal?.throwIfAborted();

  const { calls } = cluster.links;
  const forwarding = forwardingLog({ replica, calls }, observer, {
    resumeTrace: (traceparent) =>
      observedLog?.traced(() => telemetry.resumeTrace(traceparent, "log.forwarded")),
  });
  // Without telemetry nothing watches what the services ask of the log.
  if (telemetry.render !== undefined) observedLog = new ObservedLog(forwarding, observer);
  const commitLog = observedLog ?? forwarding;
  const tails = new Tails(commitLog);
  const doors = new Doors(config, {
    ...{ tails, name },
    control: cluster.control,
    security,
    peers: cluster.links.protocol,
    observer,
    readiness: () => status.readiness,
    calls: observesCalls ? observer : undefined,
    metrics: telemetry.render,
  });
  telemetry.onCollect(() => {
    cluster.collect();
    const gauges = {
      ...status.gauges(commitLog),
      followers: tails.count,
      connections: doors.connections,
      appends_in_flight: observedLog?.appendsInFlight ?? 0,
    };
    for (const [name, value] of Object.entries(gauges)) observer.gauge(name, value);
  });
  parts.started(() => doors.close());
  await doors.open();
  const { rpcAddress, httpAddress } = doors;
  signal?.throwIfAborted();

  const facts = { name, replicaId, ...status.advertised(rpcAddress, httpAddress) };
  const gossip = await AgentGossip.start(config, facts, {
    ...{ observer, onConflictLost: onFailure, profile: options.gossipProfile },
  });
  parts.started(() => gossip.close());
  signal?.throwIfAborted();
  cluster.begin(gossip.membership, facts.rpcAddress, gossip.firstJoin);
  // From here on the end is: not ready any more, another one leads, what has begun is answered.
  parts.started(() => doors.drain());
  parts.started(() => cluster.retire());

  status.onChange((isReady) => {
    doors.setServing(isReady);
    health?.setReady(isReady);
  });
  health?.setStarted();
  status.listening(rpcAddress, httpAddress);
  parts.started(() => {
    status.closing();
    return Promise.resolve();
  });
  const close = (): Promise<void> => parts.stop();
  const { dataDir } = config;
  const { membership, address: gossipAddress } = gossip;
  const addresses = { rpcAddress, httpAddress, gossipAddress, healthAddress: health?.address };
  const inside = { commitLog, membership, replica };
  return { ...addresses, dataDir, ...inside, close, [Symbol.asyncDispose]: close };
}

/**
 * Whether a server has others, and what it does where nothing is yet: one that was told of others makes
 * no cluster before it has looked for theirs.
 */
function startsAs({ startJoinAddrs, bootstrapExpect }: AgentConfig) {
  const hasOthers = startJoinAddrs.length > 0;
  return { hasOthers, waitsIfNew: hasOthers || bootstrapExpect > 0 };
}

/** For how many servers one waits to make a cluster; with `--bootstrap` for itself alone. */
function expectedBy({ bootstrap, bootstrapExpect }: AgentConfig): number {
  return bootstrap ? 1 : bootstrapExpect;
}
