import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { hostname } from "node:os";
import { ProglogError } from "../base/index.ts";
import type { CallObserver, Observer } from "../base/index.ts";
import { createHttpGateway, GrpcServer } from "../server/index.ts";
import type { HttpGateway, HttpGatewayOptions, Tails } from "../server/index.ts";
import { http1Protocol, http2Protocol, Mux } from "../transport/index.ts";
import type { AgentConfig } from "./settings.ts";
import { formatAddress, isLoopback, parseAddress } from "./values.ts";

export interface DoorsOptions extends Pick<HttpGatewayOptions, "readiness" | "metrics"> {
  readonly tails: Tails;
  readonly observer: Observer;
  /** Hears of every call; absent: nobody does. */
  readonly calls: CallObserver | undefined;
}

/** Where clients come in: one port for gRPC and HTTP/1.1, and perhaps one for HTTP alone. */
export class Doors {
  readonly #config: AgentConfig;
  readonly #observer: Observer;
  readonly #host: string;
  readonly #grpc: GrpcServer;
  readonly #gateway: HttpGateway;
  #mux: Mux | undefined;
  #rpcAddress = "";
  #httpAddress: string | undefined;

  constructor(config: AgentConfig, options: DoorsOptions) {
    this.#config = config;
    this.#observer = options.observer;
    this.#host = parseAddress(config.bindAddr)?.host ?? "";
    this.#grpc = new GrpcServer({
      tails: options.tails,
      observer: options.observer,
      calls: options.calls,
    });
    this.#grpc.setServing(false);
    this.#gateway = createHttpGateway({
      ...options,
      allowedOrigins: config.httpAllowOrigin,
      allowedHosts: this.#hosts(),
    });
  }

  /** `host:port`, with a host that clients can use. */
  get rpcAddress(): string {
    return this.#rpcAddress;
  }

  /** Open connections of the RPC port. */
  get connections(): number {
    return this.#mux?.connections ?? 0;
  }

  get httpAddress(): string | undefined {
    return this.#httpAddress;
  }

  /** Listens. Throws `ADDRESS_IN_USE`, or `CONFIGURATION` when an address cannot be used at all. */
  async open(): Promise<void> {
    const { rpcPort, httpPort } = this.#config;
    this.#mux = await Mux.listen({
      host: this.#host,
      port: rpcPort,
      protocols: [
        http2Protocol((socket) => this.#grpc.accept(socket)),
        http1Protocol(this.#gateway.server),
      ],
      observer: this.#observer,
    });
    this.#rpcAddress = this.#addressOf(this.#mux.address);
    if (httpPort !== 0) await this.#listenHttp(httpPort === "auto" ? 0 : httpPort);
  }

  /** What gRPC's health checks are told. */
  setServing(isServing: boolean): void {
    this.#grpc.setServing(isServing);
  }

  /** Takes nothing new, answers what has begun, and cuts what is left. */
  async close(): Promise<void> {
    this.#mux?.stop();
    await Promise.all([this.#gateway.close(), this.#grpc.drain()]);
    await this.#mux?.close();
  }

  async #listenHttp(port: number): Promise<void> {
    const { server } = this.#gateway;
    server.listen(port, this.#host);
    try {
      await once(server, "listening");
    } catch (cause) {
      throw listenError(formatAddress(this.#host, port), cause);
    }
    this.#httpAddress = this.#addressOf(server.address() as AddressInfo);
  }

  /** Names by which this server is rightly called: on loopback only its own, elsewhere any. */
  #hosts(): readonly string[] | ((host: string) => boolean) {
    if (!isLoopback(this.#host)) return () => true;
    const { bindAddr, advertiseRpcAddr, advertiseHttpAddr } = this.#config;
    return [bindAddr, advertiseRpcAddr, advertiseHttpAddr]
      .map((address) => parseAddress(address)?.host.toLowerCase())
      .filter((host) => host !== undefined);
  }

  #addressOf({ port }: AddressInfo): string {
    const isEverywhere = this.#host === "0.0.0.0" || this.#host === "::";
    return formatAddress(isEverywhere ? hostname() : this.#host, port);
  }
}

function listenError(address: string, cause: unknown): ProglogError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const details = { address };
  if (code === "EADDRINUSE") {
    const sentence = `${address} is already in use`;
    return new ProglogError("ADDRESS_IN_USE", sentence, { cause, details });
  }
  const sentence = `cannot listen on ${address}: ${message}`;
  return new ProglogError("CONFIGURATION", sentence, { cause, details });
}
