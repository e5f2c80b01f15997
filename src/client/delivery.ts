import type { ClientDuplexStream } from "@grpc/grpc-js";
import {
  type BatchAnswer,
  decodeCreateProducerResponse,
  decodeProduceBatchResponse,
  encodeCreateProducerRequest,
} from "../api/index.ts";
import { limits, ProglogError } from "../base/index.ts";
import { unlessAborted } from "./abort.ts";
import type { BatchQueue } from "./batch-queue.ts";
import { type Connection, decodeAnswer } from "./connection.ts";
import { withOutcome } from "./pending-batch.ts";
import { Backoff, type RetryPolicy } from "./retry.ts";

export interface DeliveryOptions {
  readonly idempotent: boolean;
  readonly name: string;
  readonly log: string;
  readonly lingerMs: number;
  /** A call, or a batch, that is not answered for so long counts as broken. */
  readonly timeoutMs: number;
  /** Without any answer for so long, everything fails. */
  readonly deliveryTimeoutMs: number;
  readonly retry: RetryPolicy;
}

/** How a delivery tells its producer what happened. */
export interface DeliveryEvents {
  /** The oldest batch is durable. */
  answered(answer: BatchAnswer): void;
  /** There is more room than before. */
  room(): void;
  /** Batches failed; the producer goes on. */
  lost(error: ProglogError): void;
  /** All is over, and everything that waited has failed. The error tells the outcome of all together. */
  failed(error: ProglogError): void;
}

/** After the last answer, until a server must have ended the stream. */
const HALF_CLOSE_TIMEOUT_MS = 1_000;

/**
 * Brings the batches of a queue to the server: one task that opens a stream, keeps a few batches on
 * it, and after a break opens the next one.
 *
 * - At most `limits.producerBatchesMax` batches are on the wire; answers come in their order.
 * - Idempotent: what was on a broken stream is sent again as it was, and the server tells what it
 *   already has. Otherwise it fails, unless the server said that nothing was appended.
 */
export class Delivery {
  readonly #connection: Connection;
  readonly #queue: BatchQueue;
  readonly #options: DeliveryOptions;
  readonly #events: DeliveryEvents;
  readonly #stop = new AbortController();
  readonly #backoff: Backoff;
  readonly #identity: Promise<void>;
  readonly #identityEvents: { readonly known: () => void; readonly failed: (error: Error) => void };
  #running: Promise<void> | undefined;
  #call: ClientDuplexStream<Buffer, Buffer> | undefined;
  #isEnding = false;
  #isDue = false;
  /** Somebody waits for the identity, whatever there is to send. */
  #isAwaited = false;
  #cancelDue: (() => void) | undefined;
  #wake: (() => void) | undefined;
  /** Since then a batch is on the wire and no answer came. */
  #waitingSinceMs = 0;
  /** The same over all attempts. */
  #silentSinceMs = 0;

  constructor(
    connection: Connection,
    queue: BatchQueue,
    options: DeliveryOptions,
    events: DeliveryEvents,
  ) {
    this.#connection = connection;
    this.#queue = queue;
    this.#options = options;
    this.#events = events;
    this.#backoff = new Backoff(options.retry);
    let known: () => void = () => undefined;
    let failed: (error: Error) => void = () => undefined;
    this.#identity = new Promise((resolve, reject) => {
      known = resolve;
      failed = reject;
    });
    // Most never ask.
    this.#identity.catch(() => undefined);
    this.#identityEvents = { known, failed };
  }

  /** Resolves when the server has given the producer its identity; rejects when everything failed. */
  identified(): Promise<void> {
    this.#isAwaited = !this.#queue.isStamping;
    this.#running ??= this.#run();
    return this.#identity;
  }

  /** The open batch has its first record: it is due after the linger time. */
  opened(): void {
    this.#cancelDue?.();
    this.#isDue = false;
    const due = (): void => {
      this.#cancelDue = undefined;
      this.sendAll();
    };
    const { lingerMs } = this.#options;
    if (lingerMs > 0) {
      const timer = setTimeout(due, lingerMs);
      this.#cancelDue = (): void => clearTimeout(timer);
    } else {
      // What else is sent in this turn of the event loop comes along.
      const immediate = setImmediate(due);
      this.#cancelDue = (): void => clearImmediate(immediate);
    }
  }

  /** The open batch is due now. */
  sendAll(): void {
    this.#isDue = true;
    this.pump();
  }

  /** Sends what may be sent. */
  pump(): void {
    if (this.#queue.isEmpty) return;
    this.#running ??= this.#run();
    this.#wake?.();
    const call = this.#call;
    if (call === undefined) return;
    while (this.#queue.sentCount < limits.producerBatchesMax) {
      if (this.#queue.sentCount === 0) this.#starts();
      const message = this.#queue.take(this.#isDue);
      if (message === undefined) return;
      if (this.#queue.openCount === 0) this.#isDue = false;
      // At most so many batches wait in the stream that its own back-pressure has nothing to add.
      call.write(message);
    }
  }

  /** Ends the stream; resolves when it is closed. Everything must be settled. */
  async end(): Promise<void> {
    this.#isEnding = true;
    this.#cancelDue?.();
    this.#wake?.();
    this.#call?.end();
    const timer = setTimeout(() => this.#stop.abort(), HALF_CLOSE_TIMEOUT_MS);
    await this.#running;
    clearTimeout(timer);
    this.#identityEvents.failed(new ProglogError("CLOSED", "the producer is closed"));
  }

  /** Ends everything at once; what is not settled fails with `error`. */
  async abort(error: ProglogError): Promise<void> {
    this.#isEnding = true;
    this.#fail(error);
    this.#stop.abort();
    this.#wake?.();
    await this.#running;
  }

  async #run(): Promise<void> {
    this.#progressed();
    while (!this.#isOver()) {
      try {
        if (!this.#queue.isStamping) await this.#identify();
        await this.#stream();
      } catch (caught) {
        if (this.#isOver()) return;
        const error = this.#connection.errorOf(caught);
        if (!this.#survives(error)) {
          this.#fail(error);
          return;
        }
        this.#backoff.failed(error);
        await this.#backoff.wait(error, this.#stop.signal).catch(() => undefined);
      }
      if (this.#isIdle() && !this.#isOver()) await this.#work();
    }
  }

  /** Nobody waits for anything. */
  #isIdle(): boolean {
    return this.#queue.isEmpty && !this.#isAwaited;
  }

  #isOver(): boolean {
    return this.#isEnding;
  }

  /** Resolves when there is something to send, or an end. */
  #work(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = (): void => {
        this.#wake = undefined;
        this.#progressed();
        resolve();
      };
    });
  }

  async #identify(): Promise<void> {
    const { idempotent, name, log, timeoutMs } = this.#options;
    if (!idempotent) {
      this.#queue.stampWith(undefined);
    } else {
      const request = encodeCreateProducerRequest({ name, log });
      const call = this.#connection.unary("CreateProducer", request, decodeCreateProducerResponse, {
        signal: this.#stop.signal,
        timeoutMs,
      });
      this.#queue.stampWith(await call);
      this.#progressed();
    }
    this.#isAwaited = false;
    this.#identityEvents.known();
    this.#events.room();
  }

  /** One stream from its opening to its end; throws what broke it. */
  async #stream(): Promise<void> {
    const { call, release } = this.#connection.duplex("ProduceBatches");
    const ended = new Promise<void>((resolve, reject) => {
      call.on("error", reject);
      call.on("end", resolve);
      call.on("data", (message: Buffer) => {
        if (call !== this.#call) return;
        try {
          this.#answered(message);
        } catch (error) {
          reject(ProglogError.from(error));
        }
      });
    });
    const watch = this.#watch();
    this.#call = call;
    try {
      this.pump();
      await unlessAborted(Promise.race([ended, watch.overdue]), this.#stop.signal);
      if (!this.#isOver()) throw new ProglogError("UNAVAILABLE", "the server ended the stream");
    } finally {
      this.#call = undefined;
      watch.stop();
      release();
    }
  }

  #answered(message: Buffer): void {
    const answer = decodeAnswer(decodeProduceBatchResponse, message);
    this.#queue.answer(answer);
    this.#progressed();
    this.#events.answered(answer);
    this.#events.room();
    this.pump();
  }

  /** The server did something for us. */
  #progressed(): void {
    this.#waitingSinceMs = performance.now();
    this.#silentSinceMs = this.#waitingSinceMs;
    this.#backoff.reset();
  }

  /** The first batch goes onto a wire that nothing was on. */
  #starts(): void {
    this.#waitingSinceMs = performance.now();
    if (this.#backoff.failures === 0) this.#silentSinceMs = this.#waitingSinceMs;
  }

  /** Rejects when batches are on the wire and no answer comes: the peer may be there and be stuck. */
  #watch(): { overdue: Promise<never>; stop: () => void } {
    const patienceMs = this.#patienceMs();
    let timer: NodeJS.Timeout | undefined;
    const overdue = new Promise<never>((_, reject) => {
      timer = setInterval(() => {
        if (this.#queue.sentCount === 0) return;
        if (performance.now() - this.#waitingSinceMs < patienceMs) return;
        reject(new ProglogError("UNAVAILABLE", `the server has not answered for ${patienceMs} ms`));
      }, patienceMs / 2);
    });
    return { overdue, stop: () => clearInterval(timer) };
  }

  /**
   * How long a stream may owe an answer. Where sending again is harmless it is short at first: a leader
   * that stands still is followed by another, which only a new stream finds. It doubles, so that a slow
   * disk is not sent the same for ever.
   */
  #patienceMs(): number {
    const { timeoutMs, idempotent } = this.#options;
    if (!idempotent) return timeoutMs;
    return Math.min(
      timeoutMs,
      limits.producerStallMsMin * 2 ** Math.min(this.#backoff.failures, 10),
    );
  }

  /** After a break: what is to be sent again, what is lost, and whether it goes on at all. */
  #survives(error: ProglogError): boolean {
    if (!error.retryable) return false;
    const silentMs = performance.now() - this.#silentSinceMs;
    if (!this.#isIdle() && silentMs >= this.#options.deliveryTimeoutMs) return false;
    if (!this.#options.idempotent && !error.notAppended && this.#queue.sentCount > 0) {
      const lost = withOutcome(error, false);
      this.#queue.failSent(lost);
      this.#events.lost(lost);
      this.#events.room();
    }
    this.#queue.rewind(error);
    return true;
  }

  #fail(error: ProglogError): void {
    this.#cancelDue?.();
    this.#identityEvents.failed(error);
    const notAppended = this.#queue.failAll(error);
    this.#events.failed(withOutcome(error, notAppended));
  }
}
