import { type BatchAnswer, encodeProduceBatchHead } from "../api/index.ts";
import {
  assert,
  BatchBuilder,
  limits,
  type ProducerIdentity,
  type ProducerStamp,
  ProglogError,
  type RecordInput,
  recordSize,
} from "../base/index.ts";
import { PendingBatch, Sent, withOutcome } from "./pending-batch.ts";

const SEQUENCES = 2 ** 31;

export interface BatchQueueOptions {
  readonly log: string;
  /** A batch is sealed when it has reached this size. */
  readonly batchBytesMax: number;
  /** All that is not answered yet. */
  readonly bufferBytesMax: number;
}

/**
 * What a producer holds, in the order of the log: batches on the wire, sealed batches, and the open
 * one that takes records.
 *
 * - Nothing is dropped before it is answered, so that all of it can be sent again.
 * - A batch is sealed once: it is repeated with the bytes, and so the sequence, of its first attempt.
 * - `bytes <= bufferBytesMax`, unless a single record is larger.
 */
export class BatchQueue {
  readonly #options: BatchQueueOptions;
  readonly #builder: BatchBuilder;
  #sealed: PendingBatch[] = [];
  #sealedBytes = 0;
  /** So many of the sealed batches, from the front, are on the wire. */
  #sentCount = 0;
  #open: PendingBatch | undefined;
  #stamping: "unknown" | "none" | ProducerIdentity = "unknown";
  #sequence = 0;
  /**
   * Messages that were sent and answered, to be written again: fresh ones of this size, thousands in
   * a second, keep the garbage collector busier than all the rest.
   */
  readonly #spare: Buffer[] = [];
  readonly #spareBytes: number;
  /** What the clock says in this turn; 0: not asked yet. */
  #turnMs = 0;
  /** Batches sealed so far. */
  sealedTotal = 0;

  constructor(options: BatchQueueOptions) {
    this.#options = options;
    this.#builder = new BatchBuilder({ bytesMax: options.batchBytesMax });
    const head = encodeProduceBatchHead(options.log, options.batchBytesMax);
    this.#spareBytes = head.length + options.batchBytesMax;
  }

  /** Until this is called nothing can be sealed: a stamp is part of a batch. */
  stampWith(identity: ProducerIdentity | undefined): void {
    this.#stamping = identity ?? "none";
  }

  get isStamping(): boolean {
    return this.#stamping !== "unknown";
  }

  get isEmpty(): boolean {
    return this.#sealed.length === 0 && this.#open === undefined;
  }

  /** Records in the open batch. */
  get openCount(): number {
    return this.#builder.count;
  }

  /** Batches that were sent and are not answered. */
  get sentCount(): number {
    return this.#sentCount;
  }

  /** The newest batch: when it is settled, all are. */
  get last(): PendingBatch | undefined {
    return this.#open ?? this.#sealed.at(-1);
  }

  /** Takes a record if there is room. Throws when it may not enter any batch. */
  put(record: RecordInput): Sent | undefined {
    const bytes = this.#sealedBytes + this.#builder.size + recordSize(record);
    if (bytes > this.#options.bufferBytesMax && !this.isEmpty) return undefined;
    const nowMs = record.timestampMs ? 0 : this.#now();
    if (!this.#builder.add(record, nowMs)) {
      if (!this.isStamping) return undefined;
      this.#seal();
      const isAdded = this.#builder.add(record, nowMs);
      assert(isAdded, "an empty batch takes any legal record");
    }
    this.#open ??= new PendingBatch();
    return new Sent(this.#open, this.#builder.count - 1);
  }

  /** The next message to send; the open batch is sealed for it only when it is due. */
  take(isDue: boolean): Buffer | undefined {
    if (this.#sentCount === this.#sealed.length && isDue) this.#seal();
    const batch = this.#sealed[this.#sentCount];
    if (batch === undefined) return undefined;
    this.#sentCount += 1;
    batch.openAttempts += 1;
    return batch.message;
  }

  /** The oldest batch on the wire is answered. */
  answer(answer: BatchAnswer): void {
    const batch = this.#sentCount > 0 ? this.#sealed[0] : undefined;
    if (batch?.recordCount !== answer.recordCount) {
      throw new ProglogError("INTERNAL", "the server answered what was not asked");
    }
    this.#forget(1);
    batch.settle({ answer });
    const { message } = batch;
    // The library may still hold a message that was sent twice, for the stream that broke.
    if (message === undefined || batch.isSentAgain) return;
    if (message.buffer.byteLength !== this.#spareBytes) return;
    if (this.#spare.length < limits.producerBatchesMax)
      this.#spare.push(Buffer.from(message.buffer));
  }

  /** The wire is broken: everything on it has to be sent again. */
  rewind(error: ProglogError): void {
    this.#closeAttempts(error);
    for (const batch of this.#sealed.slice(0, this.#sentCount)) batch.isSentAgain = true;
    this.#sentCount = 0;
  }

  /** What was on the wire failed, and nobody knows how. */
  failSent(error: ProglogError): void {
    for (const batch of this.#forget(this.#sentCount)) batch.settle({ error });
  }

  /** Everything failed, each batch with its outcome. True if for certain nothing of it was appended. */
  failAll(error: ProglogError): boolean {
    this.#closeAttempts(error);
    const batches = this.#forget(this.#sealed.length);
    if (this.#open !== undefined) batches.push(this.#open);
    this.#open = undefined;
    this.#builder.reset();
    let isCertain = true;
    for (const batch of batches) {
      const notAppended = batch.openAttempts === 0;
      isCertain &&= notAppended;
      batch.settle({ error: withOutcome(error, notAppended) });
    }
    return isCertain;
  }

  /** A server that appended nothing says so of everything on the wire that it has not answered. */
  #closeAttempts({ notAppended }: ProglogError): void {
    if (!notAppended) return;
    for (const batch of this.#sealed.slice(0, this.#sentCount)) batch.openAttempts -= 1;
  }

  /** One time for a turn of the event loop: asking the clock for each record is felt. */
  #now(): number {
    if (this.#turnMs === 0) {
      this.#turnMs = Date.now();
      setImmediate(() => {
        this.#turnMs = 0;
      });
    }
    return this.#turnMs;
  }

  #forget(count: number): PendingBatch[] {
    const batches = this.#sealed.splice(0, count);
    for (const { message } of batches) this.#sealedBytes -= message?.length ?? 0;
    this.#sentCount = Math.max(0, this.#sentCount - count);
    return batches;
  }

  #seal(): void {
    const batch = this.#open;
    if (batch === undefined || !this.isStamping) return;
    batch.recordCount = this.#builder.count;
    const { size } = this.#builder;
    const head = encodeProduceBatchHead(this.#options.log, size);
    const message = this.#allocate(head.length + size);
    message.set(head);
    this.#builder.finishInto(message, head.length, { stamp: this.#nextStamp(batch.recordCount) });
    batch.message = message;
    this.#sealed.push(batch);
    this.#sealedBytes += message.length;
    this.#open = undefined;
    this.sealedTotal += 1;
  }

  #allocate(bytes: number): Buffer {
    if (bytes > this.#spareBytes) return Buffer.allocUnsafeSlow(bytes);
    const spare = this.#spare.pop() ?? Buffer.allocUnsafeSlow(this.#spareBytes);
    return spare.subarray(0, bytes);
  }

  #nextStamp(recordCount: number): ProducerStamp | undefined {
    if (typeof this.#stamping === "string") return undefined;
    const sequence = this.#sequence;
    this.#sequence = (sequence + recordCount) % SEQUENCES;
    return { ...this.#stamping, sequence };
  }
}
