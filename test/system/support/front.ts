import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

/** Bytes that one way of a cut connection may hold: what a network has on its way. */
const HELD_BYTES_MAX = 64 * 1024;

/**
 * The address that a server tells of, in front of the one it listens on: everybody who talks to it, client
 * or replica, comes through here. `cut` lets nothing through either way, and breaks nothing: both sides
 * believe in a connection, as they do when a network fails. What they sent meanwhile comes late, or never.
 */
export class Front implements AsyncDisposable {
  /** Where the server listens. */
  port = 0;
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #isCut = false;
  readonly #waiting = new Set<Socket>();

  private constructor() {
    this.#server = createServer({ pauseOnConnect: true }, (socket) => this.#accept(socket));
  }

  static async listen(): Promise<Front> {
    const front = new Front();
    front.#server.listen(0, "127.0.0.1");
    await once(front.#server, "listening");
    return front;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Nothing comes through. */
  cut(): void {
    this.#isCut = true;
    for (const pair of this.#pairs) for (const socket of pair) socket.pause();
  }

  /** It comes through again: what was held, too, or else every connection has been lost. */
  mend(how: "late" | "lost"): void {
    if (how === "lost") this.breakAll();
    this.#isCut = false;
    for (const pair of this.#pairs) for (const socket of pair) socket.resume();
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const socket of waiting) this.#join(socket);
  }

  /** Every connection is lost, at once and for both sides. */
  breakAll(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.resetAndDestroy();
    for (const socket of this.#waiting) socket.resetAndDestroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.breakAll();
    this.#server.close();
    await once(this.#server, "close");
  }

  #accept(socket: Socket): void {
    socket.on("error", () => undefined);
    if (!this.#isCut) {
      this.#join(socket);
      return;
    }
    this.#waiting.add(socket);
    socket.once("close", () => this.#waiting.delete(socket));
  }

  #join(outside: Socket): void {
    const inside = connect({ port: this.port, host: "127.0.0.1", noDelay: true });
    inside.on("error", () => undefined);
    outside.setNoDelay(true);
    const pair = [outside, inside] as const;
    this.#pairs.add(pair);
    for (const [from, to] of [pair, [inside, outside] as const]) {
      from.on("data", (chunk) => {
        if (to.write(chunk) || to.writableLength < HELD_BYTES_MAX) return;
        from.pause();
        to.once("drain", () => {
          if (!this.#isCut) from.resume();
        });
      });
      from.on("end", () => to.end());
      from.once("close", () => {
        this.#pairs.delete(pair);
        to.destroy();
      });
    }
    // It was not read before.
    outside.resume();
  }
}
