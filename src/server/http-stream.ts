import type { ServerResponse } from "node:http";
import type { ObservedCall, ProglogError } from "../base/index.ts";
import { errorBody } from "./http-exchange.ts";
import type { Exchange } from "./http-exchange.ts";
import type { HttpLimits } from "./http-limits.ts";
import { NDJSON, SERVER_SENT_EVENTS } from "./http-record.ts";
import type { TailOptions, TailSink, TailStream } from "./tail-stream.ts";
import type { Tails } from "./tails.ts";

export type StreamKind = "ndjson" | "sse";

export const STREAM_TYPES: Readonly<Record<StreamKind, string>> = {
  ndjson: "application/x-ndjson",
  sse: "text/event-stream",
};

/**
 * An HTTP response as the end of a stream. The records of one turn leave as one chunk, and what was
 * written and not yet taken by the reader is bounded: beyond that the log is not read for him.
 */
export class RecordStream implements TailSink {
  readonly #response: ServerResponse;
  readonly #call: ObservedCall;
  readonly #kind: StreamKind;
  readonly #limits: HttpLimits;
  readonly #onClose: (stream: RecordStream) => void;
  #tail: TailStream | undefined;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  /** Given to the response, and not yet taken by the socket. */
  #unsentBytes = 0;
  #held = false;
  #ended = false;
  #heartbeat: NodeJS.Timeout | undefined;
  #active = false;

  constructor(
    { response, call }: Pick<Exchange, "response" | "call">,
    kind: StreamKind,
    limits: HttpLimits,
    onClose: (stream: RecordStream) => void,
  ) {
    this.#response = response;
    this.#call = call;
    this.#kind = kind;
    this.#limits = limits;
    this.#onClose = onClose;
  }

  /** Begins; nothing is written in this turn. Throws what `Tails.follow` throws. */
  follow(tails: Tails, options: Omit<TailOptions, "format">): void {
    const format = this.#kind === "sse" ? SERVER_SENT_EVENTS : NDJSON;
    this.#tail = tails.follow(this, { ...options, format });
    this.#response.once("close", () => this.#close());
    if (this.#kind !== "sse") return;
    this.#heartbeat = setInterval(() => this.#beat(), this.#limits.heartbeatMs);
    this.#heartbeat.unref();
  }

  write(chunk: Buffer): boolean {
    this.#active = true;
    this.#call.sent(chunk.length);
    this.#push(chunk);
    return !this.#held;
  }

  end(): void {
    if (this.#ended) return;
    this.#flush();
    this.#ended = true;
    this.#response.end();
  }

  /**
   * The answer has begun, so the error stands at its end. A server that goes away is no event for a
   * reader of events, who comes back by himself and resumes.
   */
  fail(error: ProglogError): void {
    if (this.#ended) return;
    const json = JSON.stringify(errorBody(error));
    if (this.#kind === "ndjson") this.write(Buffer.from(`${json}\n`));
    else if (error.code !== "UNAVAILABLE") {
      this.write(Buffer.from(`event: failure\ndata: ${json}\n\n`));
    }
    this.end();
  }

  /** The server goes away. */
  stop(error: ProglogError): void {
    this.#tail?.close();
    this.fail(error);
  }

  #push(chunk: Buffer): void {
    if (this.#pending.length === 0) process.nextTick(() => this.#flush());
    this.#pending.push(chunk);
    this.#pendingBytes += chunk.length;
    this.#held = this.#pendingBytes + this.#unsentBytes >= this.#limits.streamBufferBytesMax;
  }

  #flush(): void {
    const bytes = this.#pendingBytes;
    if (bytes === 0 || this.#ended) return;
    const chunk = this.#pending.length === 1 ? this.#pending[0] : Buffer.concat(this.#pending);
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#unsentBytes += bytes;
    this.#response.write(chunk, () => this.#sent(bytes));
  }

  #sent(bytes: number): void {
    this.#unsentBytes -= bytes;
    if (!this.#held || this.#unsentBytes > this.#limits.streamBufferBytesMax / 2) return;
    this.#held = false;
    this.#tail?.resume();
  }

  #beat(): void {
    if (!this.#active && this.#unsentBytes === 0) this.#push(HEARTBEAT);
    this.#active = false;
  }

  #close(): void {
    this.#ended = true;
    this.#pending = [];
    clearInterval(this.#heartbeat);
    this.#tail?.close();
    this.#onClose(this);
  }
}

/** A comment, which no reader is told about. */
const HEARTBEAT = Buffer.from(":\n\n");
