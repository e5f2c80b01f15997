import type { BatchAnswer } from "../api/index.ts";
import { checkRecord, limits, ProglogError, type RecordInput } from "../base/index.ts";
import { abortError, onAbort, unlessAborted } from "./abort.ts";
import { BatchQueue } from "./batch-queue.ts";
import type { CallOptions, Connection } from "./connection.ts";
import { Delivery, type DeliveryOptions } from "./delivery.ts";
import { notSent } from "./not-sent.ts";
import { type Sent, withOutcome } from "./pending-batch.ts";

export interface ProducerOptions {
  /**
   * A name keeps the producer's id over its restarts, and fences an earlier holder of the name
   * (`PRODUCER_FENCED`). Without one the id is new.
   */
  readonly name?: string | undefined;
  /**
   * Stamp batches, so that they may be sent again after a broken connection and are appended once.
   * Default true. Without it, what was under way at a break fails with `UNAVAILABLE`.
   */
  readonly idempotent?: boolean | undefined;
  /** How long a batch waits for more records. Default 0: until the turn of the event loop ends. */
  readonly lingerMs?: number | undefined;
  /** A batch is sent when it has reached this size. */
  readonly batchBytesMax?: number | undefined;
  /** Accepted and not yet durable; beyond it `send` waits. */
  readonly bufferBytesMax?: number | undefined;
  /** Without any answer for so long, whatever was tried, the producer fails. */
  readonly deliveryTimeoutMs?: number | undefined;
}

/** What a client tells its producers, besides what their user says. */
export interface ProducerContext extends Pick<DeliveryOptions, "log" | "timeoutMs" | "retry"> {
  readonly connection: Connection;
  /** Called with each answer of the server. */
  readonly answered: (answer: BatchAnswer) => void;
}

interface WaitingSend {
  readonly record: RecordInput;
  readonly resolve: (sent: Sent) => void;
  readonly reject: (error: ProglogError) => void;
}

/**
 * Packs records into batches and sends them, a few at a time, in the order of `send`.
 *
 * - `await send()`: the record is accepted, there was room. `await sent.ack`: it is durable.
 * - After a failure that repeating cannot mend the producer is done: everything that is not
 *   acknowledged fails, and so does every later call, with the same error.
 * - A record's bytes are copied when it is accepted, not before.
 */
export class Producer implements AsyncDisposable {
  readonly #queue: BatchQueue;
  readonly #delivery: Delivery;
  readonly #waiting: WaitingSend[] = [];
  #turn: Promise<void> | undefined;
  #failure: ProglogError | undefined;
  /** The first failure that neither `flush` nor `close` has told yet. */
  #untold: ProglogError | undefined;
  #closing: Promise<void> | undefined;

  /** @private Made by `Client.producer`. */
  constructor(context: ProducerContext, options: ProducerOptions) {
    const { log, timeoutMs, retry } = context;
    const batchBytesMax = options.batchBytesMax ?? limits.producerBatchBytesMax;
    const bufferBytesMax = options.bufferBytesMax ?? limits.producerBufferBytesMax;
    if (!(batchBytesMax > 0 && batchBytesMax <= limits.batchBytesMax && bufferBytesMax > 0)) {
      throw new ProglogError(
        "INVALID_ARGUMENT",
        `a producer cannot have batches of ${batchBytesMax} bytes and a buffer of ${bufferBytesMax}`,
      );
    }
    const delivery: DeliveryOptions = {
      log,
      timeoutMs,
      retry,
      name: options.name ?? "",
      idempotent: options.idempotent ?? true,
      lingerMs: options.lingerMs ?? 0,
      deliveryTimeoutMs: options.deliveryTimeoutMs ?? limits.deliveryTimeoutMs,
    };
    this.#queue = new BatchQueue({ log, batchBytesMax, bufferBytesMax });
    this.#delivery = new Delivery(context.connection, this.#queue, delivery, {
      answered: context.answered,
      room: () => this.#admit(),
      lost: (error) => {
        this.#untold ??= error;
      },
      failed: (error) => this.#fail(error),
    });
  }

  /**
   * Resolves when the record is accepted. Waits while the buffer is full, and once for each batch
   * until the event loop has turned, so that a loop of `await send()` never holds it up.
   */
  send(record: RecordInput, options: CallOptions = {}): Promise<Sent> {
    let sent: Sent | undefined;
    try {
      if (options.signal?.aborted) throw abortError(options.signal);
      sent = this.trySend(record);
      if (sent === undefined) return this.#waitForRoom(record, options.signal);
    } catch (error) {
      return Promise.reject(notSent(error));
    }
    if (this.#turn === undefined) return Promise.resolve(sent);
    const accepted = sent;
    return this.#turn.then(() => accepted);
  }

  /** The same at once: undefined when there is no room. Throws what `send` rejects with. */
  trySend(record: RecordInput): Sent | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#closing !== undefined) throw notSent(closedError());
    if (this.#waiting.length > 0) return undefined;
    try {
      return this.#put(record);
    } catch (error) {
      throw notSent(error);
    }
  }

  /**
   * Resolves when the producer has its identity, which it otherwise gets with the first record. From
   * then on an earlier holder of its name appends nothing more, so what the log holds now is all that
   * it ever did.
   */
  async identify(options: CallOptions = {}): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#closing !== undefined) throw closedError();
    await unlessAborted(this.#delivery.identified(), options.signal);
  }

  /**
   * Resolves when everything accepted so far is durable. Throws the first failure since one was last
   * told, so that acks may be left alone.
   */
  async flush(options: CallOptions = {}): Promise<void> {
    await this.#settled(options.signal);
    this.#tell();
  }

  /**
   * Sends what was accepted and what waits, and ends. Throws like `flush`. When the signal is aborted,
   * what is not acknowledged by then fails.
   */
  close(options: CallOptions = {}): Promise<void> {
    this.#closing ??= this.#close(options.signal);
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(signal: AbortSignal | undefined): Promise<void> {
    try {
      // Whoever waits for room is let in by the answers that this waits for.
      while (this.#queue.last !== undefined) await this.#settled(signal);
    } catch (error) {
      await this.#delivery.abort(ProglogError.from(error));
      throw error;
    }
    await this.#delivery.end();
    this.#tell();
  }

  /** Resolves when what the queue holds now is settled, well or badly; rejects only by the signal. */
  async #settled(signal: AbortSignal | undefined): Promise<void> {
    const last = this.#queue.last;
    if (last === undefined) return;
    this.#delivery.sendAll();
    const settled = last.answered().then(ignore, ignore);
    await unlessAborted(settled, signal);
  }

  #put(record: RecordInput): Sent | undefined {
    const sealedBefore = this.#queue.sealedTotal;
    const sent = this.#queue.put(record);
    if (this.#queue.sealedTotal !== sealedBefore) {
      // Before the new batch becomes due at the end of the same turn: its sender comes first then.
      this.#turn ??= this.#nextTurn();
      this.#delivery.pump();
    }
    if (sent !== undefined && this.#queue.openCount === 1) this.#delivery.opened();
    return sent;
  }

  #nextTurn(): Promise<void> {
    return new Promise((resolve) => {
      setImmediate(() => {
        this.#turn = undefined;
        resolve();
      });
    });
  }

  #waitForRoom(record: RecordInput, signal: AbortSignal | undefined): Promise<Sent> {
    checkRecord(record);
    if (this.#waiting.length >= limits.producerWaitingMax) {
      throw new ProglogError(
        "RESOURCE_EXHAUSTED",
        `${this.#waiting.length} calls of send wait for room: await each before the next`,
      );
    }
    return new Promise<Sent>((resolve, reject) => {
      const waiting: WaitingSend = {
        record,
        resolve: (sent) => {
          release();
          resolve(sent);
        },
        reject: (error) => {
          release();
          reject(error);
        },
      };
      const release = onAbort(signal, (error) => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        reject(notSent(error));
      });
      this.#waiting.push(waiting);
    });
  }

  /** There is room: lets in those who wait, in their order. */
  #admit(): void {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      try {
        const sent = this.#put(first.record);
        if (sent === undefined) return;
        this.#waiting.shift();
        first.resolve(sent);
      } catch (error) {
        this.#waiting.shift();
        first.reject(notSent(error));
      }
    }
  }

  #fail(error: ProglogError): void {
    // What comes now was never taken, whatever became of that which was.
    this.#failure = withOutcome(ProglogError.from(error.cause), true);
    this.#untold ??= error;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(this.#failure);
  }

  #tell(): void {
    const untold = this.#untold;
    this.#untold = undefined;
    if (untold !== undefined) throw untold;
  }
}

function closedError(): ProglogError {
  return new ProglogError("CLOSED", "the producer is closed");
}

function ignore(): void {
  // Whoever waits here only wants to know that it is over.
}
