import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { messageOf, NOT_APPENDED_HEADER, WIRE_STATUS } from "../api/index.ts";
import { limits, ProglogError } from "../base/index.ts";
import type {
  AppendOrigin,
  CallKind,
  CallObserver,
  ObservedCall,
  Observer,
} from "../base/index.ts";
import { failureOf } from "./failures.ts";
import { declaredLength } from "./http-body.ts";
import type { BodyReader, TooLarge } from "./http-body.ts";
import type { HttpLimits } from "./http-limits.ts";
import type { OpenStream } from "./http-context.ts";
import { linger } from "./http-linger.ts";
import type { Headers } from "./http-origin.ts";
import { RequestFacts } from "./http-watched.ts";

export const JSON_TYPE = "application/json";

/** What all exchanges of a gateway share. */
export interface ExchangeHost {
  readonly limits: HttpLimits;
  readonly bodies: BodyReader;
  readonly observer: Observer;
  readonly calls: CallObserver;
  kindOf(method: string, path: string): CallKind;
  /** No further request is wanted on any connection. */
  readonly closing: boolean;
}

/** One request and its one answer. */
export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly path: string;
  /** What stands after the `?`. */
  readonly search: string;
  /**
   * The log was asked to append: from here on only the log can say that it did not. Before, every
   * failure of a POST carries `proglog-not-appended`.
   */
  proposed = false;
  /** Who asks, where that is asked. */
  origin: AppendOrigin | undefined;
  /** Sent with every answer. */
  headers: Headers = {};
  /** What is told of this request. */
  readonly call: ObservedCall;
  readonly #host: ExchangeHost;
  #error: string | undefined;
  /** The client waits for a word before it sends its body. */
  #awaitsContinue: boolean;
  #bodyRefused = false;
  /** What the answer is, when it has no end of its own. */
  #stream: OpenStream | undefined;
  /** Why its client may not be answered any more. */
  #revoked: ProglogError | undefined;

  constructor(
    host: ExchangeHost,
    request: IncomingMessage,
    response: ServerResponse,
    awaitsContinue: boolean,
  ) {
    this.#host = host;
    this.request = request;
    this.response = response;
    this.#awaitsContinue = awaitsContinue;
    const target = request.url ?? "";
    const mark = target.indexOf("?");
    this.path = mark < 0 ? target : target.slice(0, mark);
    this.search = mark < 0 ? "" : target.slice(mark + 1);
    const facts = new RequestFacts(request);
    this.call = host.calls.begin(host.kindOf(request.method ?? "", this.path), facts);
    response.once("close", () => this.#ended());
  }

  /** Aborted when the client goes away. */
  get signal(): AbortSignal {
    return signalOf(this.request.socket);
  }

  /** The whole body, in memory. Throws what `tooLarge` says when it is longer than allowed. */
  async readBody(tooLarge: TooLarge): Promise<Buffer> {
    const { bodies } = this.#host;
    try {
      bodies.check(this.request, tooLarge);
      if (this.#awaitsContinue) {
        this.#awaitsContinue = false;
        this.response.writeContinue();
      }
      const body = await bodies.read(this.request, tooLarge);
      this.throwIfRevoked();
      this.call.received(body.length);
      return body;
    } catch (error) {
      this.#bodyRefused = true;
      throw error;
    }
  }

  json(status: number, value: unknown, headers?: Headers): void {
    this.answer(status, JSON_TYPE, `${JSON.stringify(value)}\n`, headers);
  }

  answer(status: number, contentType: string, text: string, headers?: Headers): void {
    const { response } = this;
    if (response.destroyed) return;
    const lastOfConnection = this.#lastOfConnection;
    const length = Buffer.byteLength(text);
    this.call.sent(length);
    response.writeHead(status, {
      "content-type": contentType,
      "content-length": length,
      "x-content-type-options": "nosniff",
      ...this.headers,
      ...headers,
      ...(lastOfConnection ? { connection: "close" } : undefined),
    });
    if (this.#receivesBody) linger(this.request, response, text, this.#host.limits);
    else response.end(text);
  }

  /** An answer without a body. */
  empty(status: number, headers?: Headers): void {
    this.response.writeHead(status, {
      ...this.headers,
      ...headers,
      ...(this.#lastOfConnection ? { connection: "close" } : undefined),
    });
    this.response.end();
  }

  /** An answer whose end is not known yet; what follows is written to the response. */
  startStream(contentType: string): void {
    // Read to its end, or nobody would notice that the client has gone.
    this.request.resume();
    this.response.writeHead(200, {
      "content-type": contentType,
      "cache-control": "no-store",
      // Proxies that buffer would hold back what is waited for.
      "x-accel-buffering": "no",
      ...this.headers,
    });
    this.response.flushHeaders();
  }

  /** The answer goes on from here until the client leaves, the stream ends, or `revoke`. */
  follows(stream: OpenStream): void {
    this.#stream = stream;
  }

  /** After each wait that a client can draw out, and before what he asked for is done. */
  throwIfRevoked(): void {
    if (this.#revoked !== undefined) throw this.#revoked;
  }

  /** Ends an answer that goes on, and cuts it when its reader does not read that. */
  revoke(error: ProglogError): void {
    this.#revoked = error;
    if (this.#stream === undefined) return;
    this.#stream.stop(error);
    const timer = setTimeout(() => this.response.destroy(), limits.revokedLingerMs);
    this.response.once("close", () => clearTimeout(timer));
  }

  fail(caught: unknown, headers?: Headers): void {
    const failure = failureOf(caught);
    const { code } = failure;
    const status = WIRE_STATUS[code].http;
    this.#error = failure.message;
    if (status === 500) {
      this.#host.observer.log("error", "http.request-failed", {
        method: this.request.method,
        path: this.path.slice(0, 100),
        code,
        reason: failure.message,
      });
    }
    if (this.response.headersSent) {
      this.response.destroy();
      return;
    }
    const nothing = failure.notAppended || (!this.proposed && this.request.method === "POST");
    this.json(status, errorBody(failure), {
      ...(nothing ? { [NOT_APPENDED_HEADER]: "1" } : undefined),
      ...headers,
    });
  }

  #ended(): void {
    const { writableFinished, statusCode } = this.response;
    // 499 is nginx's word for a client who did not wait.
    this.call.end(writableFinished ? String(statusCode) : "499", this.#error);
  }

  get #lastOfConnection(): boolean {
    return this.#host.closing || this.#receivesBody;
  }

  /**
   * More of the request may come than anybody wants to read before the next one: a body that was
   * refused, or that nobody asked for and that is long, or whose sender still waits for a word.
   */
  get #receivesBody(): boolean {
    if (this.#bodyRefused) return true;
    if (this.request.complete) return false;
    const length = declaredLength(this.request);
    if (length === 0) return false;
    return this.#awaitsContinue || length === undefined || length > this.#host.limits.bodyBytesMax;
  }
}

const signals = new WeakMap<Socket, AbortSignal>();

/**
 * One signal for a connection instead of one for a request, which would cost as much as the rest of
 * an append: over HTTP/1.1 a client leaves a request by closing the connection.
 */
function signalOf(socket: Socket): AbortSignal {
  const known = signals.get(socket);
  if (known !== undefined) return known;
  const controller = new AbortController();
  const abort = (): void => {
    controller.abort(new ProglogError("CANCELLED", "the client went away"));
  };
  if (socket.destroyed) abort();
  else socket.once("close", abort);
  signals.set(socket, controller.signal);
  return controller.signal;
}

/** How every failure looks, in an answer as within a stream. */
export function errorBody(failure: ProglogError): unknown {
  // What is not ours may speak of the inside.
  const foreign = failure.code === "INTERNAL" && failure.cause !== undefined;
  const message = foreign ? "internal error" : messageOf(failure);
  return { error: { code: failure.code, message, details: failure.details } };
}
