import type { Socket } from "node:net";
import { limits, silentObserver, systemClock } from "../base/index.ts";
import type { Clock, Fields, Observer, ProglogError } from "../base/index.ts";
import type { Protocol } from "./mux.ts";
import { RAFT_MAGIC } from "./peer-frame.ts";
import { checkHello, chosenProtocol } from "./peer-greeting.ts";
import type { PeerRole, Refused } from "./peer-greeting.ts";
import { RAFT_ALPN } from "./peer-hello.ts";
import type { Hello, HelloAnswer, PeerIdentity } from "./peer-hello.ts";
import { IncomingConnection } from "./peer-incoming.ts";
import type { LogWire, PeerMessage } from "./peer-message.ts";
import { RaftCodec } from "./raft-codec.ts";
import type { Ends } from "./raft-codec.ts";
import { sniffPrefix } from "./sniff.ts";

export interface PeerListenerOptions<Entry> {
  /** This server, as it is now. */
  readonly identity: () => PeerIdentity;
  /** The name of the log. */
  readonly log: string;
  readonly wire: LogWire<Entry>;
  /** Who is at the other end, before a byte of the protocol is read. */
  readonly identify: (socket: Socket) => PeerRole;
  /** What stands against somebody beyond names and ids: that it was removed, say. */
  readonly refuses?: ((hello: Hello) => Refused | undefined) | undefined;
  /** Somebody was let in. Comes before its first message. */
  readonly onHello?: ((hello: Hello) => void) | undefined;
  /**
   * Takes a message. While its promise is not resolved, nothing more is read from that connection;
   * the promise must not reject.
   */
  readonly handle: (message: PeerMessage<Entry>, hello: Hello) => void | Promise<void>;
  /** A peer sent what this build does not know (`UNSUPPORTED_FORMAT`) or what was damaged. */
  readonly onFailure?: ((hello: Hello | undefined, error: ProglogError) => void) | undefined;
  readonly clock?: Clock | undefined;
  readonly observer?: Observer | undefined;
}

/** Takes the connections of other replicas from the one port, and hands on what they say. */
export class PeerListener<
  Entry extends { readonly payload: Uint8Array },
> implements AsyncDisposable {
  /** For the port: its bytes, and what ALPN calls it. */
  readonly protocol: Protocol;
  readonly #options: PeerListenerOptions<Entry>;
  readonly #codec: RaftCodec<Entry>;
  readonly #clock: Clock;
  readonly #observer: Observer;
  readonly #connections = new Map<IncomingConnection<Entry>, Promise<void>>();
  #isClosed = false;
  #complainedAt = Number.NEGATIVE_INFINITY;

  constructor(options: PeerListenerOptions<Entry>) {
    this.#options = options;
    this.#codec = new RaftCodec(options.wire);
    this.#clock = options.clock ?? systemClock;
    this.#observer = options.observer ?? silentObserver;
    this.protocol = {
      name: RAFT_ALPN,
      sniff: (bytes) => sniffPrefix(bytes, RAFT_MAGIC),
      accept: (socket) => this.accept(socket),
    };
  }

  /** Connections of other replicas, greeted or not. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Takes a connection with all its bytes still to be read. */
  accept(socket: Socket): void {
    // It may break at any time; what comes of it is told once it is ours.
    socket.on("error", () => undefined);
    const reason = this.#refusalOf(socket);
    if (typeof reason === "string") {
      socket.destroy();
      this.#refused(reason);
      return;
    }
    this.#take(socket, reason);
  }

  /** Ends the connections of those who are meant, by what they said in their hello; they may dial again. */
  cut(isMeant: (hello: Hello) => boolean): void {
    for (const connection of this.#connections.keys()) {
      if (connection.hello !== undefined && isMeant(connection.hello)) connection.cut("cut here");
    }
  }

  /** Cuts all connections, and takes no more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const ended = [...this.#connections.values()];
    for (const connection of this.#connections.keys()) connection.cut("closed here");
    await Promise.all(ended);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #refusalOf(socket: Socket): PeerRole | string {
    if (this.#isClosed || socket.destroyed) return "closed";
    if (this.#connections.size >= limits.peerConnectionsMax) return "too many connections";
    const role = this.#options.identify(socket);
    return role.kind === "refused" ? role.reason : role;
  }

  #take(socket: Socket, role: PeerRole): void {
    let ended: () => void = () => undefined;
    const end = new Promise<void>((resolve) => (ended = resolve));
    const connection: IncomingConnection<Entry> = new IncomingConnection({
      socket,
      codec: this.#codec,
      clock: this.#clock,
      greet: (hello) => this.#greet(hello, role),
      handle: this.#options.handle,
      onEnd: (reason, error) => {
        this.#connections.delete(connection);
        ended();
        this.#ended(connection.hello, reason, error);
      },
    });
    this.#connections.set(connection, end);
  }

  #greet(hello: Hello, role: PeerRole): { readonly answer: HelloAnswer; readonly ends: Ends } {
    const own = this.#options.identity();
    const { log } = this.#options;
    const ends = { log, from: hello.from.replicaId, to: own.replicaId };
    const refused = checkHello({ ...own, log }, hello, role) ?? this.#options.refuses?.(hello);
    if (refused !== undefined) {
      this.#refused(`${hello.from.name}: ${refused.refusal}`);
      return { answer: { kind: "refused", ...refused }, ends };
    }
    this.#replace(hello);
    this.#options.onHello?.(hello);
    return { answer: { kind: "welcome", protocol: chosenProtocol(hello), from: own }, ends };
  }

  /** A peer that dials again has given up its earlier connection, even if we do not know yet. */
  #replace({ from, lane }: Hello): void {
    for (const connection of this.#connections.keys()) {
      const earlier = connection.hello;
      if (earlier?.from.replicaId !== from.replicaId || earlier.lane !== lane) continue;
      connection.cut("dialled again");
    }
  }

  #ended(hello: Hello | undefined, reason: string | undefined, error?: ProglogError): void {
    if (error === undefined) {
      this.#observer.log("debug", "peer.left", { peer: hello?.from.name, reason });
      return;
    }
    this.#observer.count("peer_messages_refused_total");
    this.#complain("peer.not-understood", { peer: hello?.from.name, reason });
    this.#options.onFailure?.(hello, error);
  }

  #refused(reason: string): void {
    this.#observer.count("peer_connections_refused_total");
    this.#complain("peer.refused", { reason });
  }

  /** Anybody may dial, as often as he likes. */
  #complain(event: string, fields: Fields): void {
    const now = this.#clock.monotonic();
    if (now - this.#complainedAt < limits.peerComplaintIntervalMs) return;
    this.#complainedAt = now;
    this.#observer.log("warn", event, fields);
  }
}
