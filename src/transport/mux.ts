import { once } from "node:events";
import type { Server as HttpServer } from "node:http";
import { createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { assert, limits, ProglogError, silentObserver, systemClock } from "../base/index.ts";
import type { Clock, Observer } from "../base/index.ts";
import { sniffHttp1, sniffHttp2 } from "./sniff.ts";
import type { Verdict } from "./sniff.ts";

/** Something that may be spoken on the port. */
export interface Protocol {
  readonly name: string;
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
  readonly clock?: Clock;
  readonly observer?: Observer;
}

/**
 * One TCP port for several protocols: the first bytes of a connection decide who gets it. Who says
 * nothing for `limits.handshakeTimeoutMs`, or nothing that is known, is cut.
 */
export class Mux implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #protocols: readonly Protocol[];
  readonly #clock: Clock;
  readonly #observer: Observer;

  private constructor(options: MuxOptions) {
    this.#protocols = options.protocols;
    this.#clock = options.clock ?? systemClock;
    this.#observer = options.observer ?? silentObserver;
    this.#server = createServer({ noDelay: true }, (socket) => {
      this.#sniff(socket);
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
      mux.#observer.log("error", "listener_failed", { error: error.message });
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

  #sniff(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    // A connection may break at any time, whoever has it; that is its end, and no error of ours.
    socket.on("error", () => undefined);
    new Sniffing(socket, this.#protocols, this.#clock, (reason) => this.#refused(reason)).begin();
  }

  #refused(reason: string): void {
    this.#observer.count("connections_refused_total");
    this.#observer.log("debug", "connection_refused", { reason });
  }
}

/** The time between a connection and the decision whose it is. */
class Sniffing {
  readonly #socket: Socket;
  readonly #protocols: readonly Protocol[];
  readonly #onRefused: (reason: string) => void;
  readonly #cancelTimeout: () => void;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(
    socket: Socket,
    protocols: readonly Protocol[],
    clock: Clock,
    onRefused: (reason: string) => void,
  ) {
    this.#socket = socket;
    this.#protocols = protocols;
    this.#onRefused = onRefused;
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
    const socket = this.#socket;
    socket.unshift(this.#bytes);
    protocol.accept(socket);
  }

  #refuse(reason: string): void {
    this.#finish();
    this.#socket.destroy();
    this.#onRefused(reason);
  }

  #finish(): void {
    this.#cancelTimeout();
    this.#socket.off("readable", this.#onReadable);
    this.#socket.off("end", this.#onEnd);
    this.#socket.off("close", this.#onEnd);
  }
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
