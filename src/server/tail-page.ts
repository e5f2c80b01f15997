import { encodeConsumeBatchResponse } from "../api/index.ts";
import { assert, batchEndOffset, limits, readBatchHeader, RecordCursor } from "../base/index.ts";

/** How committed records look on one wire. The same format must be the same object, to be shared. */
export type TailFormat = RecordFormat | BatchFormat;

/** One chunk a record. */
export interface RecordFormat {
  readonly kind: "records";
  /** The record where the cursor stands, accepted in `term`, as the bytes that every reader gets. */
  encode(cursor: RecordCursor, term: number): Buffer;
}

/** Whole batches, as `ConsumeBatchResponse`s. */
export interface BatchFormat {
  readonly kind: "batches";
}

export const BATCHES: BatchFormat = Object.freeze({ kind: "batches" });

/** Neighbouring batches as they were read, and what the compressed ones inflate to. */
export interface Run {
  readonly batches: readonly Uint8Array[];
  readonly inflated: ReadonlyMap<Uint8Array, Uint8Array> | undefined;
}

/** Encoded chunks of a range of offsets, made when the first stream asks and kept for the others. */
export interface Page {
  readonly startOffset: number;
  readonly endOffset: number;
  /** What it holds in memory, about; grows while chunks are made. */
  readonly bytes: number;
  /** The chunk of an offset within the page. `keep`: others will ask for it too. */
  chunkAt(offset: number, keep: boolean): Buffer;
  /** The first offset that is not in the chunk of `offset`. */
  after(offset: number): number;
}

/** A Buffer costs about as much besides its bytes. */
const CHUNK_OVERHEAD_BYTES = 128;

export function firstOffset(run: Run): number {
  const first = run.batches[0];
  assert(first !== undefined, "a read below the high watermark gives a batch");
  return readBatchHeader(first).baseOffset;
}

export class RecordPage implements Page {
  readonly startOffset: number;
  readonly endOffset: number;
  bytes = 0;
  readonly #format: RecordFormat;
  readonly #run: Run;
  readonly #ends: number[];
  readonly #cursor: RecordCursor;
  /** The batch where the cursor is, and the offset of the record that it gives next. */
  #batch = 0;
  #position = -1;
  #term = 0;
  #chunks: (Buffer | undefined)[] | undefined;

  constructor(format: RecordFormat, run: Run) {
    this.#format = format;
    this.#run = run;
    this.#ends = run.batches.map((batch) => batchEndOffset(batch));
    this.startOffset = firstOffset(run);
    this.endOffset = this.#ends[this.#ends.length - 1] as number;
    for (const batch of run.batches) this.bytes += batch.length;
    for (const inflated of run.inflated?.values() ?? []) this.bytes += inflated.length;
    this.#cursor = new RecordCursor({
      gunzip: () => {
        const inflated = run.inflated?.get(run.batches[this.#batch] as Uint8Array);
        assert(inflated !== undefined, "a compressed batch was inflated before");
        return inflated;
      },
    });
  }

  chunkAt(offset: number, keep: boolean): Buffer {
    const known = this.#chunks?.[offset - this.startOffset];
    if (known !== undefined) return known;
    this.#seek(offset);
    assert(this.#cursor.next(), "a batch has the records that it says");
    this.#position = offset + 1;
    const chunk = this.#format.encode(this.#cursor, this.#term);
    if (keep) {
      this.#chunks ??= new Array<undefined>(this.endOffset - this.startOffset);
      this.#chunks[offset - this.startOffset] = chunk;
      this.bytes += chunk.length + CHUNK_OVERHEAD_BYTES;
    }
    return chunk;
  }

  after(offset: number): number {
    return offset + 1;
  }

  #seek(offset: number): void {
    if (offset === this.#position && offset < (this.#ends[this.#batch] as number)) return;
    let index = offset === this.#position ? this.#batch + 1 : 0;
    while (offset >= (this.#ends[index] as number)) index += 1;
    this.#batch = index;
    const batch = this.#run.batches[index];
    assert(batch !== undefined, "a page is asked for its own offsets");
    this.#term = this.#cursor.open(batch).leaderEpoch;
    this.#cursor.skipTo(offset);
  }
}

/** All of a run as one chunk. */
export class BatchPage implements Page {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly bytes: number;
  readonly #chunk: Buffer;

  constructor(batches: readonly Uint8Array[], offset: number, highWatermark: number) {
    const last = batches[batches.length - 1];
    assert(last !== undefined, "a read below the high watermark gives a batch");
    this.startOffset = offset;
    this.endOffset = batchEndOffset(last);
    this.#chunk = encodeConsumeBatchResponse(batches, highWatermark);
    this.bytes = this.#chunk.length + CHUNK_OVERHEAD_BYTES;
  }

  chunkAt(): Buffer {
    return this.#chunk;
  }

  after(): number {
    return this.endOffset;
  }
}

/** The leading batches that hold `records` and `bytes`; the one that reaches a bound is among them. */
export function trimBatches(
  batches: readonly Uint8Array[],
  offset: number,
  records: number,
  bytes: number,
): readonly Uint8Array[] {
  let total = 0;
  for (const [index, batch] of batches.entries()) {
    total += batch.length;
    if (total >= bytes || batchEndOffset(batch) - offset >= records) {
      return batches.slice(0, index + 1);
    }
  }
  return batches;
}

/** The pages used last, by first offset, within `limits.tailPagesBytesMax`. */
export class PageCache {
  readonly #pages = new Map<number, { page: Page; bytes: number }>();
  #bytes = 0;

  /** The page under a key, if it holds the offset. */
  find(key: number, offset: number): Page | undefined {
    const page = this.#pages.get(key)?.page;
    return page !== undefined && offset >= page.startOffset && offset < page.endOffset
      ? page
      : undefined;
  }

  /** Counts the page as used now, with the bytes that it holds now. */
  keep(page: Page): void {
    this.#remove(page.startOffset);
    this.#pages.set(page.startOffset, { page, bytes: page.bytes });
    this.#bytes += page.bytes;
    for (const key of this.#pages.keys()) {
      if (this.#bytes <= limits.tailPagesBytesMax || this.#pages.size === 1) return;
      this.#remove(key);
    }
  }

  #remove(key: number): void {
    this.#bytes -= this.#pages.get(key)?.bytes ?? 0;
    this.#pages.delete(key);
  }
}
