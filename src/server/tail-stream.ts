import { offsetOutOfRange } from "../api/index.ts";
import { limits } from "../base/index.ts";
import type { ProglogError } from "../base/index.ts";
import { failureOf } from "./failures.ts";
import { asPlainRun } from "./inflate.ts";
import { TailEntry } from "./tail-entry.ts";
import type { TailHost } from "./tail-entry.ts";
import { BatchPage, firstOffset, RecordPage, trimBatches } from "./tail-page.ts";
import type { Page, PageCache, Run, TailFormat } from "./tail-page.ts";
import type { TailRead, TailReader } from "./tail-reads.ts";

/** Where the chunks of a stream go: a gRPC call, an HTTP response. */
export interface TailSink {
  /**
   * Takes a chunk, which other streams share and nobody may change. False: there is no room, and
   * nothing more comes before `TailStream.resume()` is called.
   */
  write(chunk: Buffer): boolean;
  /** As many records or bytes as were asked for have been written. */
  end(): void;
  /** The stream ends with an error: out of range, data loss, the server closes. */
  fail(error: ProglogError): void;
}

export interface TailOptions {
  readonly format: TailFormat;
  /** The first offset wanted. One that is not written yet is waited for. */
  readonly offset: number;
  /** 0: no end. */
  readonly maxRecords?: number;
  /** Of chunks, as they are written; 0: no end. */
  readonly maxBytes?: number;
}

/**
 * One reader that follows the log: sends what is committed from its offset on, then waits. Between
 * its turns it is in exactly one list of `Tails`: waiting (for a commit), ready, or held (by a full
 * sink, or by a read).
 */
export class TailStream extends TailEntry implements TailReader {
  readonly format: TailFormat;
  readonly #tails: TailHost;
  readonly #sink: TailSink;
  readonly #cache: PageCache;
  #offset: number;
  #recordsLeft: number;
  #bytesLeft: number;
  #pageKey = -1;
  #read: TailRead | undefined;
  #ended = false;

  constructor(tails: TailHost, cache: PageCache, sink: TailSink, options: TailOptions) {
    super();
    this.#tails = tails;
    this.#cache = cache;
    this.#sink = sink;
    this.format = options.format;
    this.#offset = options.offset;
    this.#recordsLeft = options.maxRecords || Infinity;
    this.#bytesLeft = options.maxBytes || Infinity;
  }

  /** The offset of the next chunk. */
  get offset(): number {
    return this.#offset;
  }

  /** The sink has room again. */
  resume(): void {
    if (!this.#ended && this.#read === undefined) this.#tails.ready(this);
  }

  /** The reader is gone; nothing is called any more. */
  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#dropRead();
    this.#tails.forget(this);
  }

  override fail(error: ProglogError): void {
    if (this.#ended) return;
    this.close();
    this.#sink.fail(error);
  }

  onRead(): void {
    this.#tails.ready(this);
  }

  override turn(): void {
    try {
      this.#serve();
    } catch (caught) {
      this.fail(failureOf(caught));
    }
  }

  #serve(): void {
    const { log } = this.#tails;
    const shared = this.#tails.shares(this.format);
    let bytes = limits.tailServingBytesMax;
    let page: Page | undefined;
    try {
      while (bytes > 0 && !this.#tails.turnIsOver()) {
        if (this.#offset >= log.highWatermark) {
          this.#tails.wait(this);
          return;
        }
        if (page === undefined || this.#offset >= page.endOffset) {
          if (page !== undefined) this.#keep(page);
          page = this.#findPage();
          if (page === undefined) return;
        }
        const chunk = page.chunkAt(this.#offset, shared);
        bytes -= chunk.length;
        if (!this.#deliver(chunk, page.after(this.#offset))) return;
      }
    } finally {
      if (page !== undefined) this.#keep(page);
    }
    this.#tails.ready(this);
  }

  /** False when this was the last chunk, for now or for good. */
  #deliver(chunk: Buffer, nextOffset: number): boolean {
    this.#recordsLeft -= nextOffset - this.#offset;
    this.#bytesLeft -= chunk.length;
    this.#offset = nextOffset;
    const room = this.#sink.write(chunk);
    if (this.#ended) return false;
    if (this.#recordsLeft <= 0 || this.#bytesLeft <= 0) {
      this.close();
      this.#sink.end();
      return false;
    }
    if (!room) this.#tails.hold(this);
    return room;
  }

  /** The page of the next offset; undefined when it must be read first, or cannot be. */
  #findPage(): Page | undefined {
    const { log } = this.#tails;
    const offset = this.#offset;
    if (offset < log.lowestOffset) throw offsetOutOfRange(offset, log);
    const read = this.#takeRead();
    if (read !== undefined) return this.#enter(this.#pageOf(read));
    const known = this.#cache.find(this.#pageKey, offset) ?? this.#cache.find(offset, offset);
    if (known !== undefined && !this.#trims) return this.#enter(known);
    const run = this.#runInMemory();
    if (run !== undefined) return this.#enter(this.#pageOf(run));
    this.#read = this.#tails.reads.start(offset, this);
    this.#tails.hold(this);
    return undefined;
  }

  /** Batches are cut to what is still wanted, and then they are for this stream alone. */
  get #trims(): boolean {
    const ends = this.#recordsLeft < Infinity || this.#bytesLeft < Infinity;
    return ends && this.format.kind === "batches";
  }

  #enter(page: Page): Page {
    this.#pageKey = page.startOffset;
    return page;
  }

  #runInMemory(): Run | undefined {
    const batches = this.#tails.log.readCached(this.#offset, limits.readChunkBytes);
    return batches === undefined || batches.length === 0 ? undefined : asPlainRun(batches);
  }

  #pageOf(run: Run): Page {
    const offset = this.#offset;
    if (this.format.kind === "records") {
      return this.#cache.find(firstOffset(run), offset) ?? new RecordPage(this.format, run);
    }
    const batches = trimBatches(run.batches, offset, this.#recordsLeft, this.#bytesLeft);
    return new BatchPage(batches, offset, this.#tails.log.highWatermark);
  }

  /** A page of records is come back to; one of batches only by others who stand where this one did. */
  #keep(page: Page): void {
    const shared = this.#tails.shares(this.format) && !this.#trims;
    if (this.format.kind === "records" || shared) this.#cache.keep(page);
  }

  #takeRead(): Run | undefined {
    const read = this.#read;
    if (read === undefined) return undefined;
    this.#dropRead();
    if (read.run === undefined) throw failureOf(read.error);
    return read.run;
  }

  #dropRead(): void {
    if (this.#read === undefined) return;
    this.#tails.reads.release(this.#read, this);
    this.#read = undefined;
  }
}
