import { formatAddress, limits } from "../base/index.ts";
import type { Observer } from "../base/index.ts";
import { HealthServer } from "../server/index.ts";
import type { HealthServerOptions } from "../server/index.ts";
import { http1Protocol, http2Protocol, Mux } from "../transport/index.ts";
import type { AgentConfig } from "./settings.ts";
import { parseAddress } from "./values.ts";

/**
 * The plaintext port for health and metrics. It opens before the log does, which may take minutes, and
 * closes last: a server that recovers or ends is asked too, and must not be taken for dead.
 */
export class HealthDoor {
  readonly #server: HealthServer;
  readonly #mux: Mux;
  readonly address: string;

  private constructor(server: HealthServer, mux: Mux, host: string) {
    this.#server = server;
    this.#mux = mux;
    this.address = formatAddress(host, mux.address.port);
  }

  /** Undefined where no port is given. Rejects as `Mux.listen` does. */
  static async open(
    { healthPort, bindAddr }: AgentConfig,
    options: HealthServerOptions & { readonly observer: Observer },
  ): Promise<HealthDoor | undefined> {
    if (healthPort === 0) return undefined;
    const host = parseAddress(bindAddr)?.host ?? "";
    const server = new HealthServer(options);
    const grpc = http2Protocol((socket) => server.accept(socket));
    const mux = await Mux.listen({
      ...{ host, port: healthPort === "auto" ? 0 : healthPort },
      protocols: [grpc, http1Protocol(server.http)],
      connectionsMax: limits.healthConnectionsMax,
      observer: options.observer,
    });
    return new HealthDoor(server, mux, host);
  }

  setStarted(): void {
    this.#server.setStarted();
  }

  setReady(isReady: boolean): void {
    this.#server.setReady(isReady);
  }

  async close(): Promise<void> {
    this.#mux.stop();
    this.#server.close();
    await this.#mux.close();
  }
}
