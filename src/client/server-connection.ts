import { type ChannelOptions, connectivityState, type experimental } from "@grpc/grpc-js";
import { limits } from "../base/index.ts";
import { formatHostPort, type HostPort } from "./addresses.ts";

type Subchannel = ReturnType<experimental.ChannelControlHelper["createSubchannel"]>;

/** What happened to a connection, for whoever chooses among them. */
export interface ServerConnectionEvents {
  /** It can be used, can no longer be used, or has failed again. */
  readonly changed: (server: ServerConnection) => void;
  /** It could be used and broke. */
  readonly lost: (server: ServerConnection) => void;
}

/**
 * The connection to one server, which is kept up as long as this is: broken ones are made again, with
 * the library's growing pauses. A name is looked up at each attempt.
 */
export class ServerConnection {
  readonly address: string;
  readonly subchannel: Subchannel;
  readonly #events: ServerConnectionEvents;
  #problem: string | undefined;
  #overdue: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(
    helper: experimental.ChannelControlHelper,
    where: HostPort,
    options: ChannelOptions,
    events: ServerConnectionEvents,
  ) {
    this.address = formatHostPort(where);
    this.#events = events;
    this.subchannel = helper.createSubchannel({ host: where.host, port: where.port }, options);
    this.subchannel.ref();
    this.subchannel.addConnectivityStateListener(this.#onState);
    if (!this.isReady) this.#connect();
  }

  get isReady(): boolean {
    return !this.#isClosed && this.subchannel.getConnectivityState() === connectivityState.READY;
  }

  /** On its way for the first time, or for the first time since it was lost, and not too long. */
  get isPending(): boolean {
    return !this.#isClosed && !this.isReady && this.#problem === undefined;
  }

  /** Why it cannot be used. */
  get problem(): string {
    return this.#problem ?? "not connected yet";
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#overdue);
    this.subchannel.removeConnectivityStateListener(this.#onState);
    this.subchannel.unref();
  }

  #connect(): void {
    // Whoever does not answer at all is not waited for, as long as there are others.
    clearTimeout(this.#overdue);
    this.#overdue = setTimeout(() => {
      this.#problem ??= `not connected after ${limits.clientConnectTimeoutMs} ms`;
      this.#events.changed(this);
    }, limits.clientConnectTimeoutMs);
    this.#overdue.unref();
    this.subchannel.startConnecting();
  }

  readonly #onState: experimental.ConnectivityStateListener = (
    _subchannel,
    before,
    state,
    _keepaliveMs,
    errorMessage,
  ) => {
    if (state === connectivityState.READY) {
      clearTimeout(this.#overdue);
      this.#problem = undefined;
    }
    if (state === connectivityState.TRANSIENT_FAILURE) {
      this.#problem = errorMessage ?? "the connection failed";
    }
    if (state === connectivityState.IDLE) this.#connect();
    if (before === connectivityState.READY) this.#events.lost(this);
    this.#events.changed(this);
  };
}
