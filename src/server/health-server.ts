import { createServer } from "node:http";
import type { Server as HttpServer, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import type { ConnectionInjector } from "@grpc/grpc-js";
import { limits, ProglogError } from "../base/index.ts";
import { Health } from "./health.ts";
import type { Readiness } from "./http-context.ts";

/**
 * What is asked of a process by name, each of a meaning of its own: `startup`, the log is open;
 * `readiness`, it may be given work; `liveness`, it turns. "" is readiness.
 */
const STARTUP = "startup";
const READINESS: readonly string[] = ["", "readiness"];
const LIVENESS = "liveness";

const PROMETHEUS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

export interface HealthServerOptions {
  /** Why not, for `/readyz`. */
  readonly readiness: () => Readiness;
  /** For `/metrics`, which is 404 without it. */
  readonly metrics?: (() => string | Promise<string>) | undefined;
}

/**
 * Health and metrics for those who cannot show a certificate, such as kubelets: `grpc.health.v1`, and
 * `GET` of `/healthz`, `/readyz` and `/metrics`. Nothing of the log, and nothing that changes anything.
 */
export class HealthServer {
  /** To be handed sockets. */
  readonly http: HttpServer;
  readonly #options: HealthServerOptions;
  readonly #grpc: Server;
  readonly #injector: ConnectionInjector;
  readonly #health = new Health(false, [STARTUP, ...READINESS, LIVENESS]);

  constructor(options: HealthServerOptions) {
    this.#options = options;
    this.#health.setServing(true, [LIVENESS]);
    this.#grpc = new Server({
      "grpc.max_receive_message_length": limits.healthMessageBytesMax,
      "grpc.max_concurrent_streams": limits.healthStreamsMax,
      "grpc.enable_channelz": 0,
    });
    this.#health.addToServer(this.#grpc);
    this.#injector = this.#grpc.createConnectionInjector(ServerCredentials.createInsecure());
    this.http = createServer(
      {
        headersTimeout: limits.handshakeTimeoutMs,
        requestTimeout: limits.handshakeTimeoutMs,
        keepAliveTimeout: limits.handshakeTimeoutMs,
      },
      (request, response) => {
        // Nothing that is sent here is read.
        request.resume();
        const isRead = request.method === "GET" || request.method === "HEAD";
        const path = request.url?.split("?")[0] ?? "";
        void this.#answer(isRead ? path : "", response);
      },
    );
  }

  /** Takes a connection that speaks HTTP/2. */
  accept(socket: Duplex): void {
    this.#injector.injectConnection(socket);
  }

  /** The log is open, and the server's doors. */
  setStarted(): void {
    this.#health.setServing(true, [STARTUP]);
  }

  setReady(isReady: boolean): void {
    this.#health.setServing(isReady, READINESS);
  }

  /** Cuts whatever is asked. */
  close(): void {
    this.#health.close();
    this.#grpc.forceShutdown();
    this.http.closeAllConnections();
  }

  async #answer(path: string, response: ServerResponse): Promise<void> {
    response.setHeader("cache-control", "no-store");
    response.setHeader("content-type", "application/json");
    const { readiness, metrics } = this.#options;
    const end = (status: number, body: string): void => {
      response.statusCode = status;
      response.end(body);
    };
    try {
      if (path === "/healthz") end(200, '{"status":"ok"}');
      else if (path === "/readyz") {
        const answer = readiness();
        const body = answer.ready ? { status: "ready" } : { status: answer.reason };
        end(answer.ready ? 200 : 503, JSON.stringify(body));
      } else if (path === "/metrics" && metrics !== undefined) {
        const text = await metrics();
        response.setHeader("content-type", PROMETHEUS_TYPE);
        end(200, text);
      } else end(404, '{"status":"only GET of /healthz, /readyz and /metrics is answered here"}');
    } catch (error) {
      end(500, JSON.stringify({ status: ProglogError.from(error).message }));
    }
  }
}
