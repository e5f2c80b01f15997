import type { AddressInfo } from "node:net";
import { hostname } from "node:os";
import { formatAddress } from "../base/index.ts";
import type { CallObserver, Observer } from "../base/index.ts";
import { createHttpGateway, GrpcServer } from "../server/index.ts";
import type { ClusterControl, HttpGateway, HttpGatewayOptions, Tails } from "../server/index.ts";
import { http1Protocol, http2Protocol, Mux } from "../transport/index.ts";
import type { Protocol } from "../transport/index.ts";
import type { Security } from "./security.ts";
import type { AgentConfig } from "./settings.ts";
import { isLoopback, parseAddress } from "./values.ts";

export interface DoorsOptions extends Pick<HttpGatewayOptions, "readiness" | "metrics"> {
  readonly tails: Tails;
  /** What this server is called. */
  readonly name: string;
  readonly observer: Observer;
  /** Hears of every call; absent: nobody does. */
  readonly calls: CallObserver | undefined;
  /** What operators ask. */
  readonly control: ClusterControl;
  readonly security: Security;
  /** What other servers speak, on the same port as gRPC. */
  readonly peers: Protocol;
}

/** Where clients come in: one port for gRPC and HTTP/1.1, and perhaps one for HTTP alone. */
export class Doors {
  readonly #config: AgentConfig;
  readonly #observer: Observer;
  readonly #host: string;
  readonly #grpc: GrpcServer;
  readonly #gateway: HttpGateway;
  readonly #security: Security;
  readonly #peers: Protocol;
  #draining: Promise<unknown> | undefined;
  #mux: Mux | undefined;
  #httpMux: Mux | undefined;
  #rpcAddress = "";
  #httpAddress: string | undefined;

  constructor(config: AgentConfig, options: DoorsOptions) {
    this.#config = config;
    this.#observer = options.observer;
    this.#host = parseAddress(config.bindAddr)?.host ?? "";
    this.#security = options.security;
    this.#peers = options.peers;
    const { tails, name, observer, calls, control } = options;
    const { gate } = options.security;
    this.#grpc = new GrpcServer({ tails, name, observer, calls, gate, control });
    this.#grpc.setServing(false);
    this.#gateway = createHttpGateway({
      ...options,
      gate,
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
    const http = http1Protocol(this.#gateway.server);
    const grpc = http2Protocol((socket) => this.#grpc.accept(socket));
    this.#mux = await this.#listen(rpcPort, [this.#peers, grpc, http]);
    this.#rpcAddress = this.#addressOf(this.#mux.address);
    if (httpPort !== 0) {
      this.#httpMux = await this.#listen(httpPort === "auto" ? 0 : httpPort, [http]);
      this.#httpAddress = this.#addressOf(this.#httpMux.address);
    }
    this.#security.onRenewal(() => this.#renew());
  }

  /** What gRPC's health checks are told. */
  setServing(isServing: boolean): void {
    this.#grpc.setServing(isServing);
  }

  /** Takes nothing new, and answers what has begun; other servers are heard until the end. */
  async drain(): Promise<void> {
    for (const port of this.#ports) port.stop();
    this.#draining ??= Promise.all([this.#gateway.close(), this.#grpc.drain()]);
    await this.#draining;
  }

  /** The same, and cuts what is left. */
  async close(): Promise<void> {
    await this.drain();
    await Promise.all(this.#ports.map((port) => port.close()));
  }

  get #ports(): readonly Mux[] {
    return [this.#mux, this.#httpMux].filter((port) => port !== undefined);
  }

  #listen(port: number, protocols: readonly Protocol[]): Promise<Mux> {
    const { tls } = this.#security;
    return Mux.listen({ host: this.#host, port, protocols, observer: this.#observer, tls });
  }

  #renew(): void {
    const { context } = this.#security;
    if (context === undefined) return;
    for (const port of [this.#mux, this.#httpMux]) port?.renew(context);
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
