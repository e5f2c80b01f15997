import type {
  handleBidiStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  ServerDuplexStream,
  UntypedHandleCall,
} from "@grpc/grpc-js";
import {
  decodeCreateProducerRequest,
  decodeGetOffsetsRequest,
  decodeGetServersRequest,
  encodeCreateProducerResponse,
  encodeGetOffsetsResponse,
  encodeGetServersResponse,
} from "../api/index.ts";
import type { LogMethodName } from "../api/index.ts";
import { limits, ProglogError } from "../base/index.ts";
import type { Observer } from "../base/index.ts";
import { CallOrigin } from "./call-origin.ts";
import type { SubjectAt } from "./call-origin.ts";
import { checkLogName, lazySignalOf, statusWith, unary, unaryInSteps } from "./calls.ts";
import type { StatusOf } from "./calls.ts";
import { CONSUME_RESPONSES, consumeStream } from "./consume-stream.ts";
import { consume } from "./consume.ts";
import { InFlightBytes, ProduceStream } from "./produce-stream.ts";
import { batchAppends, recordAppends } from "./produce.ts";
import type { Appends } from "./produce.ts";
import { BATCHES } from "./tail-page.ts";
import type { Tails } from "./tails.ts";
import { spanOf } from "./watched-call.ts";

type Unary = handleUnaryCall<Buffer, Buffer>;
type ServerStream = handleServerStreamingCall<Buffer, Buffer>;
type Bidirectional = handleBidiStreamingCall<Buffer, Buffer>;

/** A handler of the right kind for each of `LOG_METHODS`. */
export interface LogHandlers extends Record<LogMethodName, UntypedHandleCall> {
  Produce: Unary;
  ProduceStream: Bidirectional;
  ProduceBatches: Bidirectional;
  Consume: Unary;
  ConsumeStream: ServerStream;
  ConsumeBatches: ServerStream;
  CreateProducer: Unary;
  GetOffsets: Unary;
  GetServers: Unary;
}

/** The methods of `log.v1.Log` over one log. */
export class LogService {
  readonly #tails: Tails;
  readonly #statusOf: StatusOf;
  readonly #subjectAt: SubjectAt;
  readonly #name: string;
  readonly #inFlight = new InFlightBytes();
  readonly #produceStreams = new Set<ProduceStream>();
  #stopped: ProglogError | undefined;

  /** `name`: of this server among those that the log lists. */
  constructor(tails: Tails, observer: Observer, subjectAt: SubjectAt, name: string) {
    this.#tails = tails;
    this.#subjectAt = subjectAt;
    this.#name = name;
    this.#statusOf = statusWith(observer);
  }

  /** What `server.addService` takes beside `LOG_METHODS`. */
  handlers(): LogHandlers {
    const { log } = this.#tails;
    const records = recordAppends(log);
    const batches = batchAppends(log);
    const statusOf = this.#statusOf;
    return {
      Produce: unaryInSteps(
        statusOf,
        (request, call) => {
          this.#checkOpen();
          return records.propose(request, {
            span: spanOf(call),
            origin: new CallOrigin(call, this.#subjectAt),
          });
        },
        (answer) => records.encode(answer),
      ),
      ProduceStream: (call) => this.#produceStream(call, records),
      ProduceBatches: (call) => this.#produceStream(call, batches),
      Consume: unary(statusOf, (request, call) => {
        this.#checkOpen();
        return consume(this.#tails, request, lazySignalOf(call), spanOf(call));
      }),
      ConsumeStream: (call) => consumeStream(this.#tails, call, CONSUME_RESPONSES, statusOf),
      ConsumeBatches: (call) => consumeStream(this.#tails, call, BATCHES, statusOf),
      CreateProducer: unary(statusOf, (request, call) =>
        this.#createProducer(request, lazySignalOf(call)),
      ),
      GetOffsets: unary(statusOf, (request, call) => this.#getOffsets(request, lazySignalOf(call))),
      GetServers: unary(statusOf, (request) => this.#getServers(request)),
    };
  }

  /**
   * Ends the streams of appends once what they proposed is answered, and takes nothing new; who is asked
   * which servers there are still says so.
   */
  stop(error: ProglogError): void {
    this.#stopped = error;
    for (const stream of this.#produceStreams) stream.stop(error);
  }

  #checkOpen(): void {
    if (this.#stopped !== undefined) throw this.#stopped;
  }

  #produceStream(call: ServerDuplexStream<Buffer, Buffer>, appends: Appends): void {
    const stream = new ProduceStream(call, {
      appends,
      inFlight: this.#inFlight,
      statusOf: this.#statusOf,
      subjectAt: this.#subjectAt,
      onClose: (closed) => this.#produceStreams.delete(closed),
    });
    this.#produceStreams.add(stream);
    if (this.#stopped !== undefined) stream.stop(this.#stopped);
  }

  async #createProducer(bytes: Buffer, signal: () => AbortSignal): Promise<Buffer> {
    const { log } = this.#tails;
    this.#checkOpen();
    const request = decodeCreateProducerRequest(bytes);
    checkLogName(log, request.log);
    if (Buffer.byteLength(request.name) > limits.producerNameBytesMax) {
      throw new ProglogError(
        "INVALID_ARGUMENT",
        `a producer's name has at most ${limits.producerNameBytesMax} bytes`,
      );
    }
    return encodeCreateProducerResponse(await log.createProducer(request.name, signal()));
  }

  async #getOffsets(bytes: Buffer, signal: () => AbortSignal): Promise<Buffer> {
    const { log } = this.#tails;
    this.#checkOpen();
    const request = decodeGetOffsetsRequest(bytes);
    checkLogName(log, request.log);
    const { timestampMs } = request;
    const atTimestamp =
      timestampMs === undefined ? undefined : await log.offsetAtTime(timestampMs, signal());
    return encodeGetOffsetsResponse({
      lowest: log.lowestOffset,
      next: log.highWatermark,
      atTimestamp,
    });
  }

  /** Who takes no appends any more is not named as the one to send them to, even where nobody took over. */
  #getServers(bytes: Buffer): Buffer {
    decodeGetServersRequest(bytes);
    const listed = this.#tails.log.servers();
    if (this.#stopped === undefined) return encodeGetServersResponse(listed);
    const servers = listed.servers.map((server) =>
      server.id === this.#name ? { ...server, isLeader: false } : server,
    );
    return encodeGetServersResponse({ ...listed, servers });
  }
}
