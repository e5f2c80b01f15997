import type { ChannelCredentials } from "@grpc/grpc-js";
import {
  type BatchAnswer,
  decodeConsumeResponse,
  decodeGetOffsetsResponse,
  decodeGetServersResponse,
  decodeProduceResponse,
  encodeConsumeRequest,
  encodeGetOffsetsRequest,
  encodeGetServersRequest,
  encodeProduceRequest,
  type LogMethodName,
  offsetOutOfRange,
  type Offsets,
  type ServerListings,
} from "../api/index.ts";
import { limits, ProglogError, type RecordInput } from "../base/index.ts";
import { checkAppend, checkOffset, checkRecords } from "./arguments.ts";
import { type Codec, json, type JsonValue } from "./codec.ts";
import { type CallOptions, Connection } from "./connection.ts";
import type { ClientTls } from "./credentials.ts";
import type { ProduceAnswer, ProduceOptions, ReadOptions, RecordsOptions } from "./options.ts";
import { readBatches, type ReadRange } from "./consumer.ts";
import { Producer, type ProducerOptions } from "./producer.ts";
import { type BatchSource, type LogRecord, RecordStream } from "./record-stream.ts";
import { DEFAULT_RETRY, FOLLOW_RETRY, RetryBudget, retrying, type RetryPolicy } from "./retry.ts";
import { TypedLog } from "./typed-log.ts";

export interface ConnectOptions {
  /** For a call with one answer, all its attempts together; and for each batch of a producer. */
  readonly timeoutMs?: number | undefined;
  /** Default: plaintext. `{}` is TLS with the authorities that Node knows. */
  readonly tls?: ClientTls | undefined;
  /** In place of `tls`: what `@grpc/grpc-js` makes. */
  readonly credentials?: ChannelCredentials | undefined;
  /** The log's name; default: the servers' default log. */
  readonly log?: string | undefined;
  /** Default: a few seconds of attempts, and more than a minute for those who follow the log. */
  readonly retry?: RetryPolicy | undefined;
}

/** Opens nothing yet: the first call connects. */
export function connect(address: string, options: ConnectOptions = {}): Client {
  return new Client(address, options);
}

/** One log, over gRPC. Every failure is a `ProglogError` with a `code` and `retryable`. */
export class Client implements AsyncDisposable {
  readonly #connection: Connection;
  readonly #log: string;
  readonly #timeoutMs: number;
  readonly #retry: RetryPolicy;
  readonly #followRetry: RetryPolicy;
  readonly #budget = new RetryBudget();
  /** One past the highest offset that was acknowledged to this client. */
  #ownNext = 0;

  /** @private Use `connect`. */
  constructor(address: string, options: ConnectOptions) {
    this.#connection = new Connection(address, options);
    this.#log = options.log ?? "";
    this.#timeoutMs = options.timeoutMs ?? limits.callTimeoutMs;
    this.#retry = options.retry ?? DEFAULT_RETRY;
    this.#followRetry = options.retry ?? FOLLOW_RETRY;
  }

  /**
   * Appends one record; resolves when it is durable. Repeated only when it is certain that nothing was
   * appended. An error tells by `notAppended` whether that is so: where it is false, nobody knows, and a
   * `producer`, which may send again, is what helps. A null value is sent as an empty one (a `producer`
   * keeps it).
   */
  async produce(record: RecordInput, options: ProduceOptions = {}): Promise<ProduceAnswer> {
    const { expectedOffset } = options;
    checkAppend(record, expectedOffset);
    const log = this.#log;
    const request = encodeProduceRequest({ record, log, expectedOffset, stamp: undefined });
    const answer = await this.#call(
      "Produce",
      request,
      decodeProduceResponse,
      options,
      isNotAppended,
    );
    this.#acknowledged(answer);
    const { baseOffset, term, timestampMs, duplicate } = answer;
    return { offset: baseOffset, term, timestampMs, duplicate };
  }

  /** The record at one offset. `OFFSET_OUT_OF_RANGE` tells `lowest` and `next` in its details. */
  async read(offset: number, options: ReadOptions = {}): Promise<LogRecord> {
    checkOffset(offset);
    if (options.minOffset !== undefined) checkOffset(options.minOffset, "minOffset");
    const range = this.#range(options, offset, offset + 1);
    const request = encodeConsumeRequest({ ...range, offset, maxRecords: 0, maxBytes: 0 });
    return this.#call("Consume", request, decodeConsumeResponse, options);
  }

  /** Records in the order of the log. `break` and `return` end the stream. */
  records(options: RecordsOptions = {}): RecordStream {
    const source = {
      resolve: (signal: AbortSignal) => this.#resolve({ ...options, signal }),
      read: (range: ReadRange) => this.#read(range),
    };
    return new RecordStream(source, options.signal);
  }

  /**
   * The same as whole RecordBatches, as the server keeps them and unchecked: one array for each
   * message. The first may begin before the range and the last end behind it.
   */
  async *batches(options: RecordsOptions = {}): BatchSource {
    yield* this.#read(await this.#resolve(options));
  }

  /** A producer that packs records into batches. Close it before the client. */
  producer(options: ProducerOptions = {}): Producer {
    const context = {
      connection: this.#connection,
      log: this.#log,
      timeoutMs: this.#timeoutMs,
      retry: this.#retry,
      answered: (answer: BatchAnswer) => this.#acknowledged(answer),
    };
    return new Producer(context, options);
  }

  /** The log as one of JSON, which nobody checks. */
  typed(): TypedLog<JsonValue>;
  /** The log as one of values: `json(schema)`, `text`, `bytes`, or a codec of one's own. */
  typed<Input, Output>(codec: Codec<Input, Output>): TypedLog<Input, Output>;
  typed(codec: Codec<never, unknown> = json()): unknown {
    return new TypedLog(this, codec);
  }

  /** The servers of the cluster, and which of them leads. */
  servers(options: CallOptions = {}): Promise<ServerListings> {
    return this.#call("GetServers", encodeGetServersRequest(), decodeGetServersResponse, options);
  }

  /** The first and the next offset, and with `timestampMs` the first one appended since then. */
  offsets(
    options: CallOptions & { readonly timestampMs?: number | undefined } = {},
  ): Promise<Offsets> {
    const request = encodeGetOffsetsRequest({ timestampMs: options.timestampMs, log: this.#log });
    return this.#call("GetOffsets", request, decodeGetOffsetsResponse, options);
  }

  /** Ends everything at once: calls that still run fail with `CLOSED`. */
  close(): Promise<void> {
    this.#connection.close();
    return Promise.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #call<T>(
    name: LogMethodName,
    request: Buffer,
    decode: (bytes: Uint8Array) => T,
    options: CallOptions,
    isRepeatable: (error: ProglogError) => boolean = isRetryable,
  ): Promise<T> {
    const { signal } = options;
    const deadlineMs = performance.now() + this.#timeoutMs;
    const [policy, budget] = [this.#retry, this.#budget];
    // What may be repeated does not wait to the end for a server that does not answer at all.
    const attemptMsMax = isRepeatable === isRetryable ? limits.attemptTimeoutMs : Infinity;
    return retrying({ policy, budget, isRepeatable, deadlineMs, signal }, () => {
      const timeoutMs = Math.min(deadlineMs - performance.now(), attemptMsMax);
      const options = { signal, timeoutMs };
      return this.#connection.unary(name, request, decode, options);
    });
  }

  #read(range: ReadRange): BatchSource {
    const retry = range.follow ? this.#followRetry : this.#retry;
    return readBatches(this.#connection, range, retry);
  }

  /** From words to offsets; asks the server only when that is needed. */
  async #resolve(options: RecordsOptions): Promise<ReadRange> {
    checkRecords(options);
    const { from = "start", follow = false, limit = Infinity } = options;
    if (typeof from === "number" && follow) return this.#range(options, from, from + limit);
    const timestampMs = from instanceof Date ? from.getTime() : undefined;
    const { lowest, next, atTimestamp } = await this.offsets({ ...options, timestampMs });
    // A server that is behind does not know yet what it acknowledged to us elsewhere.
    let logEnd = Math.max(next, this.#ownNext, (options.minOffset ?? -1) + 1);
    // Nor what it acknowledged to others, which is asked about where it matters.
    const isShort = typeof from === "number" && from > logEnd;
    if (isShort || options.consistency === "linearizable") {
      logEnd = Math.max(logEnd, await this.#provenEnd(options));
    }
    let start: number;
    if (typeof from === "number") start = from;
    else if (from === "start") start = lowest;
    else start = (from === "end" ? undefined : atTimestamp) ?? logEnd;
    if (start > logEnd || start < lowest) {
      throw offsetOutOfRange(start, { lowestOffset: lowest, highWatermark: logEnd });
    }
    return this.#range(options, start, Math.min(start + limit, follow ? Infinity : logEnd));
  }

  /**
   * One past the last record that was acknowledged to anyone before this. A server says that a record is
   * beyond the end only after it has asked the leader, so it is asked for one that cannot be.
   */
  async #provenEnd({ signal }: CallOptions): Promise<number> {
    try {
      await this.read(Number.MAX_SAFE_INTEGER, { signal });
    } catch (error) {
      const { code, details } = ProglogError.from(error);
      if (code === "OFFSET_OUT_OF_RANGE") return Number(details["next"]);
      throw error;
    }
    throw new ProglogError("INTERNAL", "the server has a record where there can be none");
  }

  #range(options: RecordsOptions, from: number, end: number): ReadRange {
    return {
      from,
      end,
      follow: options.follow ?? false,
      log: this.#log,
      linearizable: options.consistency === "linearizable",
      minOffset: options.minOffset ?? (this.#ownNext > 0 ? this.#ownNext - 1 : undefined),
      signal: options.signal,
    };
  }

  #acknowledged(answer: { readonly baseOffset: number; readonly recordCount: number }): void {
    this.#ownNext = Math.max(this.#ownNext, answer.baseOffset + answer.recordCount);
  }
}

function isRetryable(error: ProglogError): boolean {
  return error.retryable;
}

function isNotAppended(error: ProglogError): boolean {
  return error.retryable && error.notAppended;
}
