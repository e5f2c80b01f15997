import { once } from "node:events";
import type { Server as HttpServer } from "node:http";
import { createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import type { SecureContextOptions, TLSSocket } from "node:tls";
import { assert, limits, ProglogError, silentObserver, systemClock } from "../base/index.ts";
import type { Clock, Observer } from "../base/index.ts";
import { sniffHttp1, sniffHttp2 } from "./sniff.ts";
import type { Verdict } from "./sniff.ts";
import { TlsListener } from "./tls-listener.ts";
import type { TlsListenerOptions } from "./tls-listener.ts";

/** Something that may be spoken on the port. */
export interface Protocol {
  /** Over TLS, what ALPN calls it. */
  readonly name: string;
  /** Says why the other end may not speak it, before a byte of it is read. */
  readonly refuses?: ((socket: Socket) => string | undefined) | undefined;
  /** Looks at the first bytes; asked again with more while the answer is "maybe". */
  sniff(bytes: Uint8Array): Verdict;
  /** Takes the connection, with its first bytes still to be read. */
  accept(socket: Socket): void;
}

/** gRPC, given to whoever takes sockets that speak HTTP/2. */
export function http2Protocol(accept: (socket: Socket) => void): Protocol {
  return { name: "h2", sniff: sniffHttp2, accept };
}

/** HTTP/1.1, given to a server that does not listen by itself. */
export function http1Protocol(server: HttpServer): Protocol {
  // A server that never listened checks no timeouts; this is what starts it.
  server.emit("listening");
  return {
    name: "http/1.1",
    sniff: sniffHttp1,
    accept: (socket) => void server.emit("connection", socket),
  };
}

export interface MuxOptions {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** Asked in this order. */
  readonly protocols: readonly Protocol[];
  readonly connectionsMax?: number;
  /** That have not said yet what they speak. */
  readonly handshakesMax?: number;
  readonly clock?: Clock;
  readonly observer?: Observer;
  /** Absent: plaintext. */
  readonly tls?: TlsListenerOptions | undefined;
}

/**
 * One TCP port for several protocols: the first bytes of a connection decide who gets it, or what
 * its TLS handshake has agreed on. Who says nothing for `limits.handshakeTimeoutMs`, or nothing that is known, is cut.
 */
export class Mux implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #protocols: readonly Protocol[];
  readonly #clock: Clock;
  readonly #observer: Observer;
  readonly #tls: TlsListener | undefined;
  readonly #handshakesMax: number;
  readonly #undecided = new Map<string, Socket>();

  private constructor(options: MuxOptions) {
    this.#protocols = options.protocols;
    this.#clock = options.clock ?? systemClock;
    this.#observer = options.observer ?? silentObserver;
    this.#handshakesMax = options.handshakesMax ?? limits.handshakesMax;
    this.#server = createServer({ noDelay: true }, (socket) => {
      this.#take(socket);
    });
    this.#tls =
      options.tls &&
      new TlsListener(options.tls, {
        names: options.protocols.map(({ name }) => name),
        onSecure: (socket) => this.#route(socket),
        onRefused: (reason) => this.#refused(reason),
      });
    this.#server.maxConnections = options.connectionsMax ?? limits.connectionsMax;
    this.#server.on("drop", () => this.#refused("too many connections"));
  }

  /** Throws `ADDRESS_IN_USE`, and `CONFIGURATION` when the address cannot be listened on at all. */
  static async listen(options: MuxOptions): Promise<Mux> {
    const mux = new Mux(options);
    mux.#server.listen(options.port, options.host);
    try {
      await once(mux.#server, "listening");
    } catch (cause) {
      throw listenError(`${options.host}:${options.port}`, cause);
    }
    // A failing accept (no descriptors left) must not end the process.
    mux.#server.on("error", (error) => {
      mux.#observer.log("error", "listener.failed", { error: error.message });
    });
    return mux;
  }

  get address(): AddressInfo {
    const address = this.#server.address();
    assert(address !== null && typeof address === "object", "a listening port has an address");
    return address;
  }

  /** Open connections, decided or not. */
  get connections(): number {
    return this.#sockets.size;
  }

  /** Certificates for handshakes from now on; connections that are there go on. */
  renew(context: SecureContextOptions): void {
    this.#tls?.renew(context);
  }

  /** Takes no new connections; those that are there go on. */
  stop(): void {
    if (this.#server.listening) this.#server.close();
  }

  /** Cuts all connections. */
  async close(): Promise<void> {
    this.stop();
    const closed = [...this.#sockets].map(
      (socket) => new Promise((resolve) => socket.on("close", resolve)),
    );
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(closed);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #take(socket: Socket): void {
    this.#sockets.add(socket);
    // A connection may break at any time, whoever has it; that is its end, and no error of ours.
    socket.on("error", () => undefined);
    const key = endOf(socket);
    this.#undecided.set(key, socket);
    socket.on("close", () => {
      this.#sockets.delete(socket);
      if (this.#undecided.get(key) === socket) this.#undecided.delete(key);
    });
    this.#makeRoom();
    if (this.#tls === undefined) this.#sniff(socket);
    else this.#tls.take(socket);
  }

  /** Who has waited longest for a decision is the least likely to want one. */
  #makeRoom(): void {
    if (this.#undecided.size <= this.#handshakesMax) return;
    const [oldest] = this.#undecided.values();
    oldest?.destroy();
    this.#refused("too many connections that say nothing");
  }

  /** A connection whose handshake is over; who named no protocol in it is asked by his first bytes. */
  #route(socket: TLSSocket): void {
    socket.on("error", () => undefined);
    const protocol = this.#protocols.find(({ name }) => name === socket.alpnProtocol);
    if (protocol === undefined) this.#sniff(socket);
    else this.#give(socket, protocol);
  }

  #sniff(socket: Socket): void {
    new Sniffing(socket, this.#protocols, this.#clock, {
      onDecided: (protocol) => this.#give(socket, protocol),
      onRefused: (reason) => this.#refused(reason),
    }).begin();
  }

  #give(socket: Socket, protocol: Protocol): void {
    this.#undecided.delete(endOf(socket));
    const reason = protocol.refuses?.(socket);
    if (reason === undefined) {
      protocol.accept(socket);
      return;
    }
    socket.destroy();
    this.#refused(reason);
  }

  #refused(reason: string): void {
    this.#observer.count("connections_refused_total");
    this.#observer.log("debug", "connection.refused", { reason });
  }
}

interface Outcome {
  readonly onDecided: (protocol: Protocol) => void;
  readonly onRefused: (reason: string) => void;
}

/** The time between a connection and the decision whose it is. */
class Sniffing {
  readonly #socket: Socket;
  readonly #protocols: readonly Protocol[];
  readonly #outcome: Outcome;
  readonly #cancelTimeout: () => void;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(socket: Socket, protocols: readonly Protocol[], clock: Clock, outcome: Outcome) {
    this.#socket = socket;
    this.#protocols = protocols;
    this.#outcome = outcome;
    this.#cancelTimeout = clock.after(limits.handshakeTimeoutMs, () => {
      this.#refuse("no known protocol in time");
    });
  }

  begin(): void {
    this.#socket.on("readable", this.#onReadable);
    this.#socket.on("end", this.#onEnd);
    this.#socket.on("close", this.#onEnd);
  }

  readonly #onReadable = (): void => {
    const chunk = this.#socket.read() as Buffer | null;
    if (chunk === null) return;
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    let undecided = false;
    for (const protocol of this.#protocols) {
      const verdict = protocol.sniff(this.#bytes);
      if (verdict === "yes") {
        this.#handOver(protocol);
        return;
      }
      undecided ||= verdict === "maybe";
    }
    if (!undecided) this.#refuse("an unknown protocol");
  };

  readonly #onEnd = (): void => {
    this.#refuse("it ended before it said what it speaks");
  };

  #handOver(protocol: Protocol): void {
    this.#finish();
    this.#socket.unshift(this.#bytes);
    this.#outcome.onDecided(protocol);
  }

  #refuse(reason: string): void {
    this.#finish();
    this.#socket.destroy();
    this.#outcome.onRefused(reason);
  }

  #finish(): void {
    this.#cancelTimeout();
    this.#socket.off("readable", this.#onReadable);
    this.#socket.off("end", this.#onEnd);
    this.#socket.off("close", this.#onEnd);
  }
}

/** The other end of a connection, as long as it is open; the same with TLS around it and without. */
function endOf({ remoteAddress, remotePort, localAddress }: Socket): string {
  return `${remoteAddress ?? ""} ${remotePort ?? 0} ${localAddress ?? ""}`;
}

function listenError(address: string, cause: unknown): ProglogError {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === "EADDRINUSE") {
    return new ProglogError("ADDRESS_IN_USE", `${address} is already in use`, {
      cause,
      details: { address },
    });
  }
  return new ProglogError("CONFIGURATION", `cannot listen on ${address}: ${message}`, {
    cause,
    details: { address },
  });
}
