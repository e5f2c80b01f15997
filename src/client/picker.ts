import { experimental, type Metadata } from "@grpc/grpc-js";
import { fromServiceError, GRPC_STATUS } from "../api/index.ts";
import { isRoute, type Route, ROUTE_KEY } from "./route.ts";
import type { ServerConnection } from "./server-connection.ts";
import { unavailableStatus } from "./unavailable.ts";

type PickResult = ReturnType<experimental.Picker["pick"]>;
type Subchannel = ServerConnection["subchannel"];

/** What is known of the servers at one moment. */
export interface Servers {
  /** Nobody has told yet who the servers are, and somebody is going to. */
  readonly isAsking: boolean;
  readonly leader: ServerConnection | undefined;
  /** Voters that do not lead. */
  readonly followers: readonly ServerConnection[];
  readonly all: readonly ServerConnection[];
}

/** Counts the calls over all pickers of a channel, so that a new one goes on where the last one was. */
export interface Rotation {
  next: number;
}

/** What a call tells about the server it went to. */
export type Doubt = "not-leader" | "silent" | "leaving";
export type OnDoubt = (server: ServerConnection, doubt: Doubt) => void;

/**
 * Chooses a server for each call:
 *
 * - an append: the leader. Where it is not known or cannot be reached: any server, which hands the
 *   append on or says that it cannot.
 * - a read: the followers in turn; the leader when there is none; then any server.
 * - everything else: all servers in turn.
 *
 * A server that said that it is about to end is passed over for a while where there is another.
 * Connections that are on their way are waited for; with no server left a call fails at once.
 */
export class ClusterPicker implements experimental.Picker {
  readonly #servers: Servers;
  readonly #rotation: Rotation;
  readonly #onDoubt: OnDoubt;

  constructor(servers: Servers, rotation: Rotation, onDoubt: OnDoubt) {
    this.#servers = servers;
    this.#rotation = rotation;
    this.#onDoubt = onDoubt;
  }

  pick({ extraPickInfo }: experimental.PickArgs): PickResult {
    const word = extraPickInfo[ROUTE_KEY];
    const route = isRoute(word) ? word : "any";
    const choice = this.#choose(route);
    if (choice === "wait") return QUEUE;
    if (choice === "none") return unavailable(this.#servers.all);
    return complete(choice.subchannel, (code, _details, metadata) => {
      const doubt = doubtOf(code, metadata, route, choice === this.#servers.leader);
      if (doubt !== undefined) this.#onDoubt(choice, doubt);
    });
  }

  #choose(route: Route): ServerConnection | "wait" | "none" {
    const { isAsking, leader, followers, all } = this.#servers;
    if (route !== "any" && isAsking) return all.some(isHopeful) ? "wait" : this.#any();
    // One that ends without having handed over is handed appends by the others.
    if (route === "leader" && leader?.isLeaving === false) {
      if (leader.isReady) return leader;
      if (leader.isPending) return "wait";
    }
    if (route === "follower") {
      const ready = followers.filter(({ isReady, isLeaving }) => isReady && !isLeaving);
      if (ready.length > 0) return this.#next(ready);
      if (followers.some(({ isPending }) => isPending)) return "wait";
      if (leader?.isReady === true && !leader.isLeaving) return leader;
    }
    return this.#any();
  }

  #any(): ServerConnection | "wait" | "none" {
    const { all } = this.#servers;
    const ready = all.filter(({ isReady }) => isReady);
    const staying = ready.filter(({ isLeaving }) => !isLeaving);
    if (ready.length > 0) return this.#next(staying.length > 0 ? staying : ready);
    return all.some(({ isPending }) => isPending) ? "wait" : "none";
  }

  #next(ready: readonly ServerConnection[]): ServerConnection {
    const turn = this.#rotation.next;
    this.#rotation.next = (turn + 1) % Number.MAX_SAFE_INTEGER;
    return ready[turn % ready.length] as ServerConnection;
  }
}

function isHopeful({ isReady, isPending }: ServerConnection): boolean {
  return isReady || isPending;
}

/** What the end of a call says against the server it went to. */
function doubtOf(
  code: number,
  metadata: Metadata,
  route: Route,
  isLeader: boolean,
): Doubt | undefined {
  if (code === GRPC_STATUS.CANCELLED || code === GRPC_STATUS.DEADLINE_EXCEEDED) {
    return route === "leader" ? "silent" : undefined;
  }
  if (code !== GRPC_STATUS.UNAVAILABLE) return undefined;
  const error = fromServiceError({ code, details: "", metadata });
  if (error.code === "NOT_LEADER") return route === "leader" ? "not-leader" : undefined;
  if (!error.notAppended) return undefined;
  // Of appends, one that does not lead also says so where it finds nobody to hand them to.
  return route === "leader" && !isLeader ? "not-leader" : "leaving";
}

const QUEUE: PickResult = {
  pickResultType: experimental.PickResultType.QUEUE,
  subchannel: null,
  status: null,
  onCallStarted: null,
  onCallEnded: null,
};

function complete(subchannel: Subchannel, onCallEnded: PickResult["onCallEnded"]): PickResult {
  return {
    pickResultType: experimental.PickResultType.COMPLETE,
    subchannel,
    status: null,
    onCallStarted: null,
    onCallEnded,
  };
}

function unavailable(servers: readonly ServerConnection[]): PickResult {
  return {
    pickResultType: experimental.PickResultType.TRANSIENT_FAILURE,
    subchannel: null,
    status: unavailableStatus(servers.map(({ address, problem }) => `${address}: ${problem}`)),
    onCallStarted: null,
    onCallEnded: null,
  };
}
