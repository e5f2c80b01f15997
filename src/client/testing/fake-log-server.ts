import {
  Server,
  ServerCredentials,
  type sendUnaryData,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import * as api from "../../api/index.ts";
import {
  batchEndOffset,
  type BatchHeader,
  decodeBatch,
  encodeBatch,
  ProglogError,
  type RecordInput,
  stampBatch,
  validateBatch,
} from "../../base/index.ts";

/** One batch that a producer sent, and what a test may do with it. */
export interface IncomingBatch {
  readonly header: BatchHeader;
  /** Streams are counted from 1. */
  readonly stream: number;
  /** Appends it, unless its stamp says that it is here already. */
  append(): void;
  /** Answers it; it must have been appended. */
  answer(): void;
  /** Breaks the stream off. */
  fail(error: ProglogError): void;
}

const GUNZIP = { gunzip: api.gunzipBounded };

type Reader = ServerWritableStream<Buffer, Buffer>;

/**
 * As much of a server as the client's tests need: a log in memory behind a real socket, and hooks
 * that let it misbehave.
 */
export class FakeLogServer implements AsyncDisposable {
  #server = new Server();
  #port = 0;
  readonly #stamped = new Map<string, api.BatchAnswer>();
  #nextSequence = 0;
  readonly #tails = new Set<() => void>();
  readonly batches: Uint8Array[] = [];
  next = 0;
  /** Below it records are gone. */
  lowest = 0;
  /** What `GetOffsets` says is next, if that is not true. */
  nextTold: number | undefined;
  /** Calls of each method. */
  readonly calls: Map<string, number> = new Map<string, number>();
  /** Calls that are streams and are not over. */
  open = 0;
  /** Decides about each batch; normally it is appended and answered. */
  onBatch: (batch: IncomingBatch) => void = (batch) => {
    batch.append();
    batch.answer();
  };
  /** Called first in every call that has one request; may throw what it answers. */
  onCall: (name: string, request: Buffer) => void = () => undefined;
  /** Calls of `Produce` are taken and never answered. */
  holds = false;
  /** What the server says of the cluster, whether it is true or not; may throw what it answers. */
  onGetServers: () => api.ServerListings = () => ({ clusterId: "c", term: 7, servers: [] });
  /** Called before each message of a read; may throw what ends it. */
  onMessage: (batch: Uint8Array) => void = () => undefined;

  readonly #credentials: ServerCredentials;

  private constructor(credentials: ServerCredentials) {
    this.#credentials = credentials;
  }

  static async start(
    credentials: ServerCredentials = ServerCredentials.createInsecure(),
  ): Promise<FakeLogServer> {
    const fake = new FakeLogServer(credentials);
    await fake.restart();
    return fake;
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** The values of all records, as text. */
  get values(): string[] {
    const records = this.batches.flatMap((batch) => decodeBatch(batch, GUNZIP));
    return records.map(({ value }) => Buffer.from(value ?? []).toString());
  }

  /** Appends records as one batch. */
  add(...values: string[]): void {
    const records = values.map((value): RecordInput => ({ value: Buffer.from(value) }));
    this.addBatch(encodeBatch(records, { nowMs: 1000 + this.next }));
  }

  addBatch(batch: Uint8Array): void {
    stampBatch(batch, this.next, 7);
    this.next = batchEndOffset(batch);
    this.batches.push(batch);
    this.#wakeTails();
  }

  /** Cuts all connections and stops listening. */
  kill(): void {
    this.#server.forceShutdown();
    this.#wakeTails();
  }

  /** Listens, after `kill` at the same address. */
  async restart(): Promise<void> {
    this.#server = new Server();
    this.#server.addService(api.LOG_METHODS, this.#handlers());
    this.#port = await new Promise<number>((resolve, reject) => {
      this.#server.bindAsync(this.address, this.#credentials, (error, port) => {
        if (error === null) resolve(port);
        else reject(error);
      });
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    return Promise.resolve();
  }

  #handlers(): UntypedServiceImplementation {
    const unary =
      (name: api.LogMethodName, answer: (request: Buffer) => Buffer) =>
      (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>): void => {
        try {
          this.#count(name, name === "GetServers" ? undefined : call.request);
          if (name === "Produce" && this.holds) return;
          callback(null, answer(call.request));
        } catch (error) {
          callback(api.toServiceError(ProglogError.from(error)));
        }
      };
    return {
      Produce: unary("Produce", (request) => this.#produce(request)),
      Consume: unary("Consume", (request) => this.#consume(request)),
      CreateProducer: unary("CreateProducer", () => {
        return api.encodeCreateProducerResponse({ id: 2 ** 40, epoch: 3 });
      }),
      GetOffsets: unary("GetOffsets", (request) => this.#offsets(request)),
      GetServers: unary("GetServers", () => api.encodeGetServersResponse(this.onGetServers())),
      ProduceBatches: (call: ServerDuplexStream<Buffer, Buffer>) => this.#produceBatches(call),
      ConsumeBatches: (call: Reader) => {
        this.open += 1;
        void this.#consumeBatches(call).finally(() => {
          this.open -= 1;
        });
      },
    };
  }

  #produce(request: Buffer): Buffer {
    const { record, expectedOffset } = api.decodeProduceRequest(request);
    if (expectedOffset !== undefined && expectedOffset !== this.next) {
      throw new ProglogError("OFFSET_MISMATCH", "another offset is next", { notAppended: true });
    }
    const baseOffset = this.next;
    this.addBatch(encodeBatch([record], { nowMs: 1000 + this.next }));
    const timestampMs = record.timestampMs || 1000 + baseOffset;
    const answer = { baseOffset, recordCount: 1, term: 7, timestampMs, duplicate: false };
    return api.encodeProduceResponse(answer);
  }

  #consume(request: Buffer): Buffer {
    const { offset } = api.decodeConsumeRequest(request);
    const records = this.batches.flatMap((batch) => decodeBatch(batch, GUNZIP));
    const record = records[Number(offset)];
    if (record === undefined) throw this.#outOfRange(offset);
    return api.encodeConsumeResponse({ ...record, term: 7 });
  }

  #offsets(request: Buffer): Buffer {
    const { timestampMs } = api.decodeGetOffsetsRequest(request);
    const records = this.batches.flatMap((batch) => decodeBatch(batch, GUNZIP));
    const first = records.find((record) => record.timestampMs >= (timestampMs ?? Infinity));
    return api.encodeGetOffsetsResponse({
      lowest: this.lowest,
      next: this.nextTold ?? this.next,
      atTimestamp: first?.offset,
    });
  }

  #produceBatches(call: ServerDuplexStream<Buffer, Buffer>): void {
    const stream = this.#count("ProduceBatches");
    this.open += 1;
    call.on("data", (message: Buffer) => {
      const bytes = Uint8Array.from(api.decodeProduceBatchRequest(message).batch);
      this.onBatch(this.#incoming(bytes, stream, call));
    });
    call.on("error", () => undefined);
    call.on("end", () => call.end());
    call.on("close", () => {
      this.open -= 1;
    });
  }

  #incoming(
    bytes: Uint8Array,
    stream: number,
    call: ServerDuplexStream<Buffer, Buffer>,
  ): IncomingBatch {
    const header = validateBatch(bytes);
    const { producerId, baseSequence, recordCount } = header;
    const stamp = producerId < 0 ? undefined : `${producerId}/${baseSequence}`;
    let appended: api.BatchAnswer | undefined;
    return {
      header,
      stream,
      append: () => {
        const before = stamp === undefined ? undefined : this.#stamped.get(stamp);
        appended = before && { ...before, duplicate: true };
        if (appended !== undefined) return;
        appended = { baseOffset: this.next, recordCount, term: 7, duplicate: false };
        if (stamp !== undefined) {
          if (baseSequence !== this.#nextSequence) throw new Error(`a gap before ${stamp}`);
          this.#nextSequence += recordCount;
          this.#stamped.set(stamp, appended);
        }
        this.addBatch(bytes);
      },
      answer: () => {
        if (appended === undefined) throw new Error("answered before it was appended");
        call.write(api.encodeProduceBatchResponse(appended));
      },
      fail: (error) => call.emit("error", api.toServiceError(error)),
    };
  }

  async #consumeBatches(call: Reader): Promise<void> {
    try {
      this.#count("ConsumeBatches", call.request);
      const { offset, maxRecords } = api.decodeConsumeRequest(call.request);
      const end = maxRecords === 0 ? Infinity : Number(offset) + maxRecords;
      let next = Number(offset);
      if (next > this.next || next < this.lowest) throw this.#outOfRange(offset);
      while (next < end && !call.cancelled) {
        const batch = this.batches.find((candidate) => batchEndOffset(candidate) > next);
        if (batch === undefined) {
          await this.#tail(call);
          continue;
        }
        this.onMessage(batch);
        if (next < this.lowest) throw this.#outOfRange(next);
        next = batchEndOffset(batch);
        call.write(api.encodeConsumeBatchResponse([batch], this.next));
      }
      call.end();
    } catch (error) {
      call.emit("error", api.toServiceError(ProglogError.from(error)));
    }
  }

  /** Until there is something new, or nobody waits for it any more. */
  #tail(call: Reader): Promise<void> {
    return new Promise((resolve) => {
      this.#tails.add(resolve);
      call.once("cancelled", resolve);
    });
  }

  #wakeTails(): void {
    for (const wake of this.#tails) wake();
    this.#tails.clear();
  }

  #outOfRange(offset: number | bigint): ProglogError {
    return api.offsetOutOfRange(offset, { lowestOffset: this.lowest, highWatermark: this.next });
  }

  /** How many calls of this method there are now. */
  #count(name: api.LogMethodName, request?: Buffer): number {
    const count = (this.calls.get(name) ?? 0) + 1;
    this.calls.set(name, count);
    if (request !== undefined) this.onCall(name, request);
    return count;
  }
}
