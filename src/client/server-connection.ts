import { type ChannelOptions, connectivityState, type experimental } from "@grpc/grpc-js";
import { limits } from "../base/index.ts";
import { formatHostPort, type HostPort } from "./addresses.ts";

/** Of a channel: how long the first attempt to connect may take, if not `limits.clientConnectTimeoutMs`. */
export const CONNECT_TIMEOUT_OPTION = "proglog.connect_timeout_ms";
/** The library hands out a subchannel again where all options are the same; each of ours is its own. */
const SUBCHANNEL_OPTION = "proglog.subchannel";
let subchannels = 0;

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
 * the library's growing pauses. A name is looked up at each attempt. The library lets an attempt
 * last as long as the kernel does, which is minutes at an address that is nobody's any more, while the
 * name has a new one: an attempt that takes too long is left for another.
 */
export class ServerConnection {
  readonly address: string;
  readonly #create: () => Subchannel;
  readonly #events: ServerConnectionEvents;
  readonly #firstTimeoutMs: number;
  #timeoutMs: number;
  /** Of the attempt that runs, or the next: a socket listens to its signal as long as either lives. */
  #abort = new AbortController();
  #subchannel: Subchannel;
  #problem: string | undefined;
  #overdue: NodeJS.Timeout | undefined;
  #isClosed = false;
  #leavesUntilMs = 0;

  constructor(
    helper: experimental.ChannelControlHelper,
    where: HostPort,
    options: ChannelOptions,
    events: ServerConnectionEvents,
  ) {
    this.address = formatHostPort(where);
    this.#create = () => {
      this.#abort = new AbortController();
      const signal = (): AbortSignal => this.#abort.signal;
      // The library hands the address to `net.connect` as it is, which asks for the signal then.
      const address = {
        host: where.host,
        port: where.port,
        get signal() {
          return signal();
        },
      };
      return helper.createSubchannel(address, { ...options, [SUBCHANNEL_OPTION]: subchannels++ });
    };
    this.#events = events;
    this.#firstTimeoutMs = Number(options[CONNECT_TIMEOUT_OPTION] ?? limits.clientConnectTimeoutMs);
    this.#timeoutMs = this.#firstTimeoutMs;
    this.#subchannel = this.#create();
    this.#begin();
  }

  /** Changes when an attempt to connect took too long. */
  get subchannel(): Subchannel {
    return this.#subchannel;
  }

  get isReady(): boolean {
    return !this.#isClosed && this.subchannel.getConnectivityState() === connectivityState.READY;
  }

  /** On its way for the first time, or for the first time since it was lost, and not too long. */
  get isPending(): boolean {
    return !this.#isClosed && !this.isReady && this.#problem === undefined;
  }

  /** It was said there not long ago that the server is about to end. */
  get isLeaving(): boolean {
    return this.#leavesUntilMs > 0 && performance.now() < this.#leavesUntilMs;
  }

  /** The server refuses calls, as one does that is about to end. What comes back has another connection. */
  isToLeave(): void {
    this.#leavesUntilMs = performance.now() + limits.leavingPassedOverMs;
  }

  /** Why it cannot be used. */
  get problem(): string {
    return this.#problem ?? "not connected yet";
  }

  close(): void {
    this.#isClosed = true;
    this.#end();
  }

  #begin(): void {
    this.#subchannel.ref();
    this.#subchannel.addConnectivityStateListener(this.#onState);
    const state = this.#subchannel.getConnectivityState();
    if (state === connectivityState.CONNECTING) this.#limit();
    else if (state !== connectivityState.READY) this.#subchannel.startConnecting();
  }

  /** Calls over a connection that is there go on to their end; an attempt would hold up the process's. */
  #end(): void {
    const isThere = this.#subchannel.getConnectivityState() === connectivityState.READY;
    this.#leave();
    if (!isThere) this.#abort.abort();
  }

  #leave(): void {
    clearTimeout(this.#overdue);
    this.#subchannel.removeConnectivityStateListener(this.#onState);
    this.#subchannel.unref();
  }

  #limit(): void {
    this.#overdue = setTimeout(() => {
      this.#problem ??= `not connected after ${this.#timeoutMs} ms`;
      // Whoever is only slow, or far away, is let in by a later attempt.
      this.#timeoutMs = Math.min(2 * this.#timeoutMs, limits.clientConnectTimeoutMsMax);
      this.#end();
      this.#subchannel = this.#create();
      this.#begin();
      this.#events.changed(this);
    }, this.#timeoutMs);
    this.#overdue.unref();
  }

  readonly #onState: experimental.ConnectivityStateListener = (
    subchannel,
    before,
    state,
    _keepaliveMs,
    errorMessage,
  ) => {
    clearTimeout(this.#overdue);
    if (state === connectivityState.CONNECTING) this.#limit();
    if (state === connectivityState.READY) {
      this.#problem = undefined;
      this.#leavesUntilMs = 0;
      this.#timeoutMs = this.#firstTimeoutMs;
    }
    if (state === connectivityState.TRANSIENT_FAILURE) {
      this.#problem = errorMessage ?? "the connection failed";
      this.#abort = new AbortController();
    }
    if (before === connectivityState.READY) {
      // Calls may go on over what was there: ending an attempt, by the same signal, would end them too.
      this.#leave();
      this.#subchannel = this.#create();
      this.#begin();
      this.#events.lost(this);
    } else if (state === connectivityState.IDLE) subchannel.startConnecting();
    this.#events.changed(this);
  };
}
