import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import {
  limits,
  ProglogError,
  silentCallObserver,
  silentObserver,
  systemClock,
} from "../base/index.ts";
import type { CallObserver, Clock, Observer } from "../base/index.ts";
import { BodyReader } from "./http-body.ts";
import type { Gate } from "./gate.ts";
import type { GatewayContext, OpenStream, Readiness } from "./http-context.ts";
import { Exchange } from "./http-exchange.ts";
import type { ExchangeHost } from "./http-exchange.ts";
import { kindOf } from "./http-kinds.ts";
import { HTTP_LIMITS } from "./http-limits.ts";
import type { HttpLimits } from "./http-limits.ts";
import { quote } from "./http-json.ts";
import { Door, isPreflight, PREFLIGHT_HEADERS } from "./http-origin.ts";
import type { DoorOptions } from "./http-origin.ts";
import { handlerOf, methodsOf, ROUTES } from "./http-routes.ts";
import { permissionOfRoute } from "./permissions.ts";
import type { Tails } from "./tails.ts";

export interface HttpGatewayOptions extends Partial<DoorOptions> {
  /** Shared with the other doors of the same log. */
  readonly tails: Tails;
  /** For `/readyz`. Without it the gateway is ready until it closes. */
  readonly readiness?: () => Readiness;
  /** For `/metrics`, which is 404 without it. */
  readonly metrics?: (() => string | Promise<string>) | undefined;
  readonly observer?: Observer;
  /** Hears of every request. Absent: nobody does. */
  readonly calls?: CallObserver | undefined;
  readonly clock?: Clock;
  readonly limits?: Partial<HttpLimits>;
  /** Says who may do what. Absent: everybody may do everything. */
  readonly gate?: Gate | undefined;
}

export interface HttpGateway {
  /** To be told to listen, or to be handed sockets: `server.emit("connection", socket)`. Or both. */
  readonly server: Server;
  /**
   * Takes no new connections, ends those who follow the log, answers what was asked, and cuts after
   * `timeoutMs` what still runs then.
   */
  close(timeoutMs?: number): Promise<void>;
}

/** The log over HTTP/1.1 and JSON. */
export function createHttpGateway(options: HttpGatewayOptions): HttpGateway {
  return new Gateway(options);
}

class Gateway implements HttpGateway, ExchangeHost {
  readonly server: Server;
  readonly limits: HttpLimits;
  readonly bodies: BodyReader;
  readonly observer: Observer;
  readonly calls: CallObserver;
  readonly kindOf: ExchangeHost["kindOf"] = kindOf;
  readonly #door: Door;
  readonly #gate: Gate | undefined;
  readonly #context: GatewayContext;
  readonly #streams = new Set<OpenStream>();
  readonly #exchanges = new Set<Exchange>();
  #closing: Promise<void> | undefined;
  #onIdle: (() => void) | undefined;

  constructor(options: HttpGatewayOptions) {
    const { tails, allowedOrigins = [], allowedHosts = [] } = options;
    this.limits = { ...HTTP_LIMITS, ...options.limits };
    this.bodies = new BodyReader(this.limits);
    this.observer = options.observer ?? silentObserver;
    this.calls = options.calls ?? silentCallObserver;
    this.#gate = options.gate;
    this.#door = new Door({ allowedOrigins, allowedHosts });
    this.#context = {
      log: tails.log,
      tails,
      clock: options.clock ?? systemClock,
      limits: this.limits,
      streams: this.#streams,
      readiness: options.readiness ?? (() => ({ ready: true })),
      metrics: options.metrics,
    };
    this.server = this.#createServer();
  }

  get closing(): boolean {
    return this.#closing !== undefined;
  }

  close(timeoutMs: number = limits.drainTimeoutMs): Promise<void> {
    this.#closing ??= this.#close(timeoutMs);
    return this.#closing;
  }

  #createServer(): Server {
    const { headerBytesMax, headersTimeoutMs, requestTimeoutMs, idleTimeoutMs } = this.limits;
    const server = createServer({
      maxHeaderSize: headerBytesMax,
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      keepAliveTimeout: idleTimeoutMs,
      connectionsCheckingInterval: this.limits.timeoutsCheckIntervalMs,
      noDelay: true,
      // A reader who only waits sends nothing; the kernel finds out when he is gone.
      keepAlive: true,
      keepAliveInitialDelay: limits.keepaliveIntervalMs,
    });
    server.maxConnections = limits.connectionsMax;
    server.on("request", (request, response) => this.#receive(request, response, false));
    server.on("checkContinue", (request, response) => this.#receive(request, response, true));
    // The server looks at its timeouts only once it listens, which it may never do.
    server.emit("listening");
    return server;
  }

  #receive(request: IncomingMessage, response: ServerResponse, awaitsContinue: boolean): void {
    const exchange = new Exchange(this, request, response, awaitsContinue);
    this.#exchanges.add(exchange);
    response.once("close", () => {
      this.#exchanges.delete(exchange);
      if (this.#exchanges.size === 0) this.#onIdle?.();
    });
    void this.#serve(exchange);
  }

  async #serve(exchange: Exchange): Promise<void> {
    const { request, path } = exchange;
    const method = request.method ?? "";
    try {
      exchange.headers = this.#door.admit(request);
      if (this.closing) throw goodbye();
      const route = ROUTES.get(path);
      if (route === undefined) {
        throw new ProglogError("UNKNOWN_METHOD", `there is nothing at ${quote(path)}`);
      }
      const handler = handlerOf(route, method);
      if (handler !== undefined) {
        if (this.#gate !== undefined) this.#enter(this.#gate, exchange, method);
        await handler(this.#context, exchange);
      } else if (method === "OPTIONS") {
        const preflight = isPreflight(request) ? PREFLIGHT_HEADERS : undefined;
        exchange.empty(204, { allow: methodsOf(route), ...preflight });
      } else {
        exchange.json(405, methodError(method, path), { allow: methodsOf(route) });
      }
    } catch (caught) {
      exchange.fail(caught);
    }
  }

  /** Throws when the caller may not; what is let in is ended when he may not any more. */
  #enter(gate: Gate, exchange: Exchange, method: string): void {
    const { request, response, path } = exchange;
    const caller = gate.callerOf(request.socket);
    const permission = permissionOfRoute(method, path);
    const name = `${method} ${path}`;
    const refusal = gate.refusal(caller, permission, name);
    if (refusal !== undefined) throw refusal;
    exchange.origin = { subject: caller.subject, deadlineMs: undefined };
    if (permission === undefined || permission.length === 0) return;
    const revoke = (error: ProglogError): void => exchange.revoke(error);
    response.once("close", gate.receive({ caller, permission, method: name, revoke }));
  }

  async #close(timeoutMs: number): Promise<void> {
    const { server } = this;
    // Frees the port, and stops the timeouts' timer even where there is no port.
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const stream of this.#streams) stream.stop(goodbye());
    server.closeIdleConnections();
    await this.#idle(timeoutMs);
    server.closeAllConnections();
    await closed;
  }

  /** Resolves when every request is answered, or the time is over. */
  #idle(timeoutMs: number): Promise<void> {
    if (this.#exchanges.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#onIdle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function goodbye(): ProglogError {
  return new ProglogError("UNAVAILABLE", "the server is shutting down", { notAppended: true });
}

function methodError(method: string, path: string): unknown {
  const message = `${quote(path)} cannot be asked with ${method}`;
  return { error: { code: "UNKNOWN_METHOD", message, details: { method } } };
}
