import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { limits, ProglogError, systemClock } from "../base/index.ts";
import type { Clock } from "../base/index.ts";
import { bindError } from "./bind-error.ts";
import { isLoopbackIp } from "./gossip-address.ts";

import { IpcConnection } from "./ipc-connection.ts";
import type { IpcLog } from "./ipc-log.ts";
import type { IpcMembership } from "./ipc-port.ts";
import { resolveHost } from "./resolve.ts";

export interface IpcServerOptions {
  /** Only loopback: what is asked here is not encrypted. */
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Who connects must know it; empty or absent: nobody is asked. */
  readonly authKey?: string | undefined;
  readonly membership: IpcMembership;
  readonly log: IpcLog;
  readonly clock?: Clock | undefined;
}

/**
 * The port for `serf members -rpc-addr` and its siblings: the RPC protocol of Serf's agent, version 1.
 * Source: Serf, cmd/serf/command/agent/ipc.go, and the page "RPC Protocol" of its documentation.
 */
export class IpcServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #options: IpcServerOptions;
  readonly #connections = new Set<Socket>();

  /** Throws `ADDRESS_IN_USE`, and `CONFIGURATION` when the address is not loopback or cannot be had. */
  static async listen(options: IpcServerOptions): Promise<IpcServer> {
    const [ip = new Uint8Array(4)] = await resolveHost(options.host).catch(() => []);
    if (!isLoopbackIp(ip)) {
      const sentence = `Serf's RPC on ${options.host}: it is plaintext, so only loopback may have it`;
      throw new ProglogError("CONFIGURATION", sentence);
    }
    const server = createServer();
    server.listen({ host: options.host, port: options.port });
    try {
      await once(server, "listening");
    } catch (cause) {
      throw bindError("Serf's RPC", ip, options.port, cause);
    }
    return new IpcServer(server, options);
  }

  private constructor(server: Server, options: IpcServerOptions) {
    this.#server = server;
    this.#options = options;
    server.on("connection", (socket) => this.#accept(socket));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#connections) socket.destroy();
    await closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #accept(socket: Socket): void {
    socket.on("error", () => socket.destroy());
    if (this.#connections.size >= limits.ipcConnectionsMax) {
      this.#options.log.count("ipc_connections_refused_total");
      socket.destroy();
      return;
    }
    this.#connections.add(socket);
    socket.on("close", () => this.#connections.delete(socket));
    const { membership, log, authKey = "", clock = systemClock } = this.#options;
    new IpcConnection(socket, { membership, log, authKey, clock }).start();
  }
}
