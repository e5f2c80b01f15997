import { type ChannelOptions, connectivityState, type experimental } from "@grpc/grpc-js";
import { limits } from "../base/index.ts";
import { formatHostPort, type HostPort } from "./addresses.ts";
import { Directory } from "./directory.ts";
import { Discovery } from "./discovery.ts";
import { ClusterPicker, type OnDoubt, type Rotation } from "./picker.ts";
import { ServerConnection } from "./server-connection.ts";
import { tlsNameOf } from "./tls-name.ts";

type LoadBalancer = experimental.LoadBalancer;

export const BALANCER_NAME = "proglog_cluster";
const TLS_NAME = "grpc.ssl_target_name_override";
/** Ours: the credentials know the names that `tlsNameOf` makes. */
export const TLS_NAMES_OPTION = "proglog.tls_names";
/** Of a channel: how often it asks who leads, if not every `limits.serversIntervalMs`. */
export const SERVERS_INTERVAL_OPTION = "proglog.servers_interval_ms";
/** grpc-js hands these to balancers; a connection is the same with others. */
const NOT_OF_CONNECTIONS = ["grpc.internal.config_selector", "grpc.service_config"];

/**
 * Connects to all servers of a cluster, and keeps the picker that knows them. It begins with the
 * addresses of the target; these are let go once the leader that the cluster names is reached, and
 * taken up again when it is not: so a client on the other side of a tunnel works, and a server that
 * tells nonsense does not cut us off from the others.
 */
export class ClusterBalancer implements LoadBalancer {
  readonly #helper: experimental.ChannelControlHelper;
  readonly #connections = new Map<string, ServerConnection>();
  readonly #directory = new Directory();
  readonly #discovery: Discovery;
  readonly #rotation: Rotation = { next: Math.floor(Math.random() * 1_000) };
  #seeds: ReadonlyMap<string, HostPort> = new Map();
  #options: ChannelOptions = {};
  #isClosed = false;
  #isUpdating = false;

  constructor(helper: experimental.ChannelControlHelper) {
    this.#helper = helper;
    this.#discovery = new Discovery({
      ready: () => [...this.#connections.values()].filter(({ isReady }) => isReady),
      hasLeader: () => this.#leader()?.isReady === true,
      intervalMs: () => Number(this.#options[SERVERS_INTERVAL_OPTION] ?? limits.serversIntervalMs),
      answered: (listings) => this.#directory.learn(listings, this.#leader()?.isReady === true),
      asked: () => this.#update(),
    });
  }

  updateAddressList(
    endpoints: Parameters<LoadBalancer["updateAddressList"]>[0],
    _config: experimental.TypedLoadBalancingConfig,
    options: ChannelOptions,
  ): boolean {
    if (!endpoints.ok) return false;
    this.#options = Object.fromEntries(
      Object.entries(options).filter(([name]) => !NOT_OF_CONNECTIONS.includes(name)),
    );
    const addresses = endpoints.value.flatMap((endpoint) => endpoint.addresses);
    const seeds = addresses.filter((address): address is HostPort => "port" in address);
    this.#seeds = new Map(seeds.map((seed) => [formatHostPort(seed), seed]));
    this.#update();
    return true;
  }

  exitIdle(): void {
    // Every connection is kept up from the start.
  }

  resetBackoff(): void {
    for (const { subchannel } of this.#connections.values()) {
      subchannel.getRealSubchannel().resetBackoff();
    }
  }

  destroy(): void {
    this.#isClosed = true;
    this.#discovery.close();
    for (const connection of this.#connections.values()) connection.close();
    this.#connections.clear();
  }

  getTypeName(): string {
    return BALANCER_NAME;
  }

  /** Brings the connections in line with what is known, and the picker in line with them. */
  #update(): void {
    // Making a connection may call back before it is made.
    if (this.#isClosed || this.#isUpdating) return;
    this.#isUpdating = true;
    const { servers } = this.#directory;
    for (const server of servers.values()) this.#connect(server);
    if (this.#leader()?.isReady === true) {
      for (const [address, connection] of this.#connections) {
        if (servers.has(address)) continue;
        this.#connections.delete(address);
        connection.close();
      }
    } else {
      for (const seed of this.#seeds.values()) this.#connect(seed);
    }
    this.#isUpdating = false;
    this.#publish();
  }

  #connect(where: HostPort): void {
    const address = formatHostPort(where);
    if (this.#connections.has(address)) return;
    const { [TLS_NAME]: given, [TLS_NAMES_OPTION]: areOurs } = this.#options;
    // Each server proves its own name; a name that the user gave stands for all of them.
    const name = given ?? (areOurs === undefined ? where.host : tlsNameOf(where.host));
    const options = { ...this.#options, [TLS_NAME]: name };
    const connection = new ServerConnection(this.#helper, where, options, {
      changed: (server) => this.#changed(server),
      lost: (server) => this.#doubt(server, "silent"),
    });
    this.#connections.set(address, connection);
  }

  #changed(server: ServerConnection): void {
    if (this.#isClosed) return;
    this.#update();
    if (server.isReady) this.#discovery.connected();
  }

  readonly #doubt: OnDoubt = (server, doubt) => {
    if (this.#isClosed) return;
    if (doubt === "leaving") server.isToLeave();
    const wasLeader =
      doubt === "silent"
        ? server.address === this.#directory.leader
        : this.#directory.refute(server.address);
    this.#discovery.doubt();
    if (wasLeader) this.#update();
  };

  #leader(): ServerConnection | undefined {
    const { leader } = this.#directory;
    return leader === undefined ? undefined : this.#connections.get(leader);
  }

  #publish(): void {
    const { servers } = this.#directory;
    const all = [...this.#connections.values()];
    const leader = this.#leader();
    const followers = all.filter(
      (one) => one !== leader && servers.get(one.address)?.role === "voter",
    );
    const isAsking = !this.#discovery.isInformed;
    const picker = new ClusterPicker(
      { isAsking, leader, followers, all },
      this.#rotation,
      this.#doubt,
    );
    const { READY, CONNECTING, TRANSIENT_FAILURE } = connectivityState;
    let state = TRANSIENT_FAILURE;
    if (all.some(({ isPending }) => isPending)) state = CONNECTING;
    if (all.some(({ isReady }) => isReady)) state = READY;
    const problem = state === TRANSIENT_FAILURE ? "no server can be reached" : null;
    this.#helper.updateState(state, picker, problem);
  }
}
