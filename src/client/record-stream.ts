import { gunzipBounded } from "../api/index.ts";
import { checkBatchChecksum, RecordCursor, type RecordHeader } from "../base/index.ts";
import { abortError } from "./abort.ts";
import type { ReadRange } from "./consumer.ts";

/** A record of the log. Its bytes are views of the message that brought it: copy what you keep long. */
export interface LogRecord {
  readonly offset: number;
  /** The term of the leader that accepted the record. */
  readonly term: number;
  /** Milliseconds since 1970. */
  readonly timestampMs: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly RecordHeader[];
}

/** Batches of a range, one array for each message. */
export type BatchSource = AsyncGenerator<readonly Uint8Array[], void, undefined>;

/** Where a stream of records gets its batches from, once it is asked for the first record. */
export interface RecordStreamSource {
  resolve(signal: AbortSignal): Promise<ReadRange>;
  read(range: ReadRange): BatchSource;
}

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };

/**
 * The records of a range, one after the other. Written by hand instead of as a generator, because a
 * record that is already here should cost one promise and no more.
 */
export class RecordStream implements AsyncIterableIterator<LogRecord>, AsyncDisposable {
  readonly #source: RecordStreamSource;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #cursor = new RecordCursor({ gunzip: gunzipBounded });
  #messages: BatchSource | undefined;
  #from = 0;
  #end = 0;
  #batches: readonly Uint8Array[] = [];
  #nextBatch = 0;
  #term = 0;
  #isOpen = false;
  /** Calls of `next` that wait for a message, each behind the one before. */
  #queued = 0;
  #tail: Promise<unknown> = Promise.resolve();

  /** @private Made by `Client.records`. */
  constructor(source: RecordStreamSource, signal: AbortSignal | undefined) {
    this.#source = source;
    const own = this.#stop.signal;
    this.#signal = signal === undefined ? own : AbortSignal.any([signal, own]);
    this.#signal.addEventListener("abort", () => this.#drop(), { once: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<LogRecord, undefined>> {
    if (this.#queued === 0) {
      try {
        const record = this.#take();
        if (record !== undefined) return Promise.resolve({ done: false, value: record });
      } catch (error) {
        return this.#failWith(error);
      }
    }
    this.#queued += 1;
    const answer = this.#tail.then(() => this.#receive());
    this.#tail = answer.then(ignore, ignore);
    return answer;
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    this.#stop.abort();
    await this.#messages?.return();
    return DONE;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  async #receive(): Promise<IteratorResult<LogRecord, undefined>> {
    try {
      for (;;) {
        if (this.#signal.aborted) throw abortError(this.#signal);
        const record = this.#take();
        if (record !== undefined) return { done: false, value: record };
        this.#messages ??= await this.#begin();
        const message = await this.#messages.next();
        if (message.done === true) return DONE;
        this.#batches = message.value;
        this.#nextBatch = 0;
      }
    } catch (error) {
      if (this.#stop.signal.aborted) return DONE;
      return await this.#failWith(error);
    } finally {
      // Before the caller goes on, so that its next call finds nobody before it.
      this.#queued -= 1;
    }
  }

  async #begin(): Promise<BatchSource> {
    const range = await this.#source.resolve(this.#signal);
    this.#from = range.from;
    this.#end = range.end;
    return this.#source.read(range);
  }

  async #failWith(error: unknown): Promise<never> {
    await this.return();
    throw error;
  }

  /** What is here and was not asked for yet is not wanted any more. */
  #drop(): void {
    this.#batches = [];
    this.#isOpen = false;
  }

  /** The next record of the batches that are here. */
  #take(): LogRecord | undefined {
    const cursor = this.#cursor;
    while (!this.#isOpen || !cursor.next()) {
      const batch = this.#batches[this.#nextBatch];
      if (batch === undefined) return undefined;
      this.#nextBatch += 1;
      this.#openBatch(batch);
    }
    if (cursor.offset >= this.#end) return undefined;
    return {
      offset: cursor.offset,
      term: this.#term,
      timestampMs: cursor.timestampMs,
      key: cursor.key(),
      value: cursor.value(),
      headers: cursor.headers(),
    };
  }

  #openBatch(batch: Uint8Array): void {
    this.#isOpen = false;
    const header = this.#cursor.open(batch);
    // The same checksum since the producer made it: what the application sees is what was sent.
    checkBatchChecksum(batch, header);
    this.#term = header.leaderEpoch;
    this.#cursor.skipTo(this.#from);
    this.#isOpen = true;
  }
}

function ignore(): void {
  // The caller of `next` has the outcome; the line behind it only needs to move on.
}
