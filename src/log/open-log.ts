import { Readable } from "node:stream";
import {
  assert,
  decodeBatch,
  encodeBatch,
  limits,
  ProglogError,
  readBatchHeader,
  stampBatch,
  systemClock,
} from "../base/index.ts";
import type { Clock, DecodedRecord, RecordInput } from "../base/index.ts";
import { openDataDirectory } from "./data-directory.ts";
import type { DataDirectory } from "./data-directory.ts";
import type { SideState } from "./control.ts";
import { ENTRY_TYPE } from "./entry-type.ts";
import type { EntryType } from "./entry-type.ts";
import { gunzip } from "./gunzip.ts";
import { encodeLogStart } from "./log-start.ts";
import type { LogStart } from "./log-start.ts";
import { Log } from "./log.ts";
import type { LogOptions } from "./options.ts";

export interface OpenLogOptions extends Omit<
  LogOptions,
  "directory" | "state" | "initial" | "ifMissing"
> {
  /** Keep at least so many bytes, and remove older segments; 0 keeps everything. */
  readonly retentionBytes?: number;
  /** Remove segments whose last record is older; 0 keeps everything. */
  readonly retentionMs?: number;
}

export interface BatchesOptions {
  /** An offset, or a time as a `Date`; the start of the log when left out. */
  readonly from?: number | Date;
  /** About how much is read at once. */
  readonly maxBytes?: number;
  readonly signal?: AbortSignal;
}

/**
 * Opens a log for use in this process alone, and makes it when the directory is empty.
 *
 * ```ts
 * import { openLog } from "proglog/log";
 *
 * await using log = await openLog("./data");
 * const { baseOffset } = await log.append([{ value: new TextEncoder().encode("hello") }]);
 * const record = await log.read(baseOffset);
 * ```
 *
 * The directory has the same format as a server's: `proglog agent --data-dir` serves it afterwards. A
 * log in which idempotent producers have registered is refused (`CONFIGURATION`).
 */
export async function openLog(
  directory: string,
  options: OpenLogOptions = {},
): Promise<EmbeddedLog> {
  const data = await openDataDirectory(directory, {
    ...(options.disk === undefined ? {} : { disk: options.disk }),
    ...(options.random === undefined ? {} : { random: options.random }),
  });
  try {
    const { name, replicaId } = data.meta;
    const configuration = {
      voters: [{ replicaId, name }],
      votersOutgoing: [],
      learners: [],
      learnersNext: [],
      autoLeave: false,
    };
    const initial = { configuration, vote: replicaId };
    const log = await Log.open({
      ...options,
      initial,
      state: noProducers,
      directory: data.logDirectory("default"),
      ifMissing: data.fresh ? "make" : "refuse",
    });
    await data.finishFirstStart();
    return new EmbeddedLog(data, log, options);
  } catch (error) {
    await data.close();
    throw error;
  }
}

/**
 * Appends from here bear no producer stamps, but a server's log may have a table of producers, which
 * only the server's code can keep: opened without it, it would be lost.
 */
const noProducers: SideState = {
  apply: (entry) => {
    if (entry.type === ENTRY_TYPE.producerCreated) throw hasProducers();
  },
  encode: () => new Uint8Array(0),
  restore: (bytes) => {
    if (bytes.length > 0) throw hasProducers();
  },
};

function hasProducers(): ProglogError {
  const message = "this log knows idempotent producers: only a server can write to it";
  return new ProglogError("CONFIGURATION", message);
}

/** A log opened by `openLog`. Appends of many callers share one sync. */
export class EmbeddedLog implements AsyncDisposable {
  readonly #data: DataDirectory;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #retention: Pick<LogStart, "retentionBytes" | "retentionMs">;
  #cancelRetention: (() => void) | undefined;
  /** A cut is under way: appends wait for it. */
  #cutting: Promise<unknown> | undefined;

  constructor(data: DataDirectory, log: Log, options: OpenLogOptions) {
    this.#data = data;
    this.#log = log;
    this.#clock = options.clock ?? systemClock;
    const { retentionBytes = 0, retentionMs = 0 } = options;
    this.#retention = { retentionBytes, retentionMs };
    if (retentionBytes > 0 || retentionMs > 0) this.#scheduleRetention();
  }

  /** The first offset that can be read. */
  get lowestOffset(): number {
    return this.#log.lowestOffset;
  }

  /** One past the last durable record: the offset that comes next. */
  get nextOffset(): number {
    return this.#log.syncedOffset;
  }

  /** The engine underneath, for those who need entries, indexes or the recovery report. */
  get engine(): Log {
    return this.#log;
  }

  /**
   * Appends records as one batch; resolves once they are durable. All or nothing. Throws
   * `RECORD_TOO_LARGE`, `BATCH_TOO_LARGE`, `RESOURCE_EXHAUSTED` (disk full), `STORAGE_FAILED`.
   */
  async append(records: readonly RecordInput[]): Promise<{ readonly baseOffset: number }> {
    while (this.#cutting !== undefined) await this.#cutting;
    const full = this.#log.admission();
    if (full !== undefined) throw full;
    const nowMs = this.#nextTime();
    const payload = encodeBatch(records, { nowMs });
    const baseOffset = this.#log.nextOffset;
    stampBatch(payload, baseOffset, this.#log.hardState.term);
    this.#put(ENTRY_TYPE.records, payload, records.length, nowMs);
    await this.#log.sync();
    return { baseOffset };
  }

  /** The record at an offset. Throws `OFFSET_OUT_OF_RANGE` past either end. */
  async read(offset: number): Promise<DecodedRecord> {
    if (!Number.isSafeInteger(offset) || offset < 0) {
      throw new ProglogError("INVALID_ARGUMENT", `an offset is a whole number, not ${offset}`);
    }
    if (offset >= this.nextOffset) throw this.#outOfRange(offset);
    const [batch] = await this.#log.readBatches(offset, {
      maxBytes: 1,
      limitOffset: this.nextOffset,
    });
    assert(batch !== undefined, "an offset inside the log has a batch");
    const record = decodeBatch(batch, { gunzip })[offset - readBatchHeader(batch).baseOffset];
    assert(record?.offset === offset, "offsets in a batch are dense");
    return record;
  }

  /** Batches from an offset or a time up to the end as it is now; each a whole RecordBatch. */
  async *batches(options: BatchesOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
    const { maxBytes = limits.readChunkBytes, signal } = options;
    const limitOffset = this.nextOffset;
    const pageFrom = (offset: number): Promise<Uint8Array[]> | undefined =>
      offset < limitOffset ? this.#log.readBatches(offset, { maxBytes, limitOffset }) : undefined;
    let page = pageFrom(await this.#offsetOf(options.from ?? this.lowestOffset));
    try {
      while (page !== undefined) {
        signal?.throwIfAborted();
        const batches: Uint8Array[] = await page;
        // The next page is on its way while this one is used; what it fails with is met in its turn.
        page = pageFrom(endOf(batches));
        page?.catch(() => undefined);
        yield* batches;
      }
    } finally {
      // Who stops early leaves no read behind.
      await page?.catch(() => undefined);
    }
  }

  /** Records from an offset or a time up to the end as it is now. */
  async *records(options: BatchesOptions = {}): AsyncGenerator<DecodedRecord, void, undefined> {
    const from = await this.#offsetOf(options.from ?? this.lowestOffset);
    for await (const batch of this.batches({ ...options, from })) {
      for (const record of decodeBatch(batch, { gunzip })) if (record.offset >= from) yield record;
    }
  }

  /** The bytes of every batch, one after the other. */
  reader(): Readable {
    return Readable.from(this.batches(), { objectMode: false });
  }

  /** Hides records below an offset, and removes the segments that lie wholly below. */
  async truncateFront(offset: number): Promise<void> {
    if (!Number.isSafeInteger(offset) || offset > this.nextOffset) throw this.#outOfRange(offset);
    if (offset > this.lowestOffset) await this.#startAt(this.#log.logStartAt(offset));
  }

  /**
   * Removes the records from an offset on. The offset must be where a batch begins. Throws
   * `CONFIGURATION` for records that a server has committed.
   */
  async truncateBack(offset: number): Promise<void> {
    if (offset < this.lowestOffset || offset > this.nextOffset) throw this.#outOfRange(offset);
    if (offset === this.nextOffset) return;
    const entry = await this.#log.entryAt(offset);
    if (entry?.baseOffset !== offset) {
      const message = `a batch is cut whole: none begins at offset ${offset}`;
      throw new ProglogError("INVALID_ARGUMENT", message);
    }
    if (entry.index <= this.#log.commitIndex) {
      const message = "a server acknowledged these records: what is committed is never cut";
      throw new ProglogError("CONFIGURATION", message);
    }
    await this.#exclusively(() => this.#log.truncateBack(entry.index));
  }

  /** Removes everything; offsets begin at 0 again. */
  async reset(): Promise<void> {
    const { control, lastTerm } = this.#log;
    await this.#exclusively(() =>
      this.#log.reset({
        ...control,
        logStart: { ...control.logStart, index: 1, offset: 0 },
        configurationIndex: 0,
        firstIndex: 1,
        previousTerm: lastTerm,
        nextOffset: 0,
        appendedAt: 0,
        commitIndex: 0,
        state: new Uint8Array(0),
      }),
    );
  }

  /** Closes the log and removes it with its directory's files. */
  async remove(): Promise<void> {
    this.#cancelRetention?.();
    await this.#log.close();
    await this.#data.remove();
  }

  async close(): Promise<void> {
    this.#cancelRetention?.();
    await this.#log.close();
    await this.#data.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #put(type: EntryType, payload: Uint8Array, recordCount: number, appendedAt: number): void {
    this.#log.append({
      index: this.#log.lastIndex + 1,
      term: this.#log.hardState.term,
      type,
      baseOffset: this.#log.nextOffset,
      appendedAt,
      recordCount,
      payload,
    });
  }

  #nextTime(): number {
    return Math.max(this.#clock.now(), this.#log.lastAppendedAt);
  }

  async #offsetOf(from: number | Date): Promise<number> {
    if (typeof from === "number") return from;
    return (await this.#log.offsetAtTime(from.getTime())) ?? this.nextOffset;
  }

  async #startAt(start: LogStart): Promise<void> {
    while (this.#cutting !== undefined) await this.#cutting;
    this.#put(ENTRY_TYPE.logStart, encodeLogStart(start), 0, this.#nextTime());
    await this.#log.sync();
    while ((await this.#log.startAt(start)) > 0);
  }

  async #exclusively<T>(work: () => Promise<T>): Promise<T> {
    while (this.#cutting !== undefined) await this.#cutting;
    const cut = work();
    this.#cutting = cut.catch(() => undefined).then(() => (this.#cutting = undefined));
    return cut;
  }

  #scheduleRetention(): void {
    this.#cancelRetention = this.#clock.after(limits.retentionIntervalMs, () => {
      void this.#retain().finally(() => this.#scheduleRetention());
    });
  }

  async #retain(): Promise<void> {
    try {
      const { logStart } = this.#log.control;
      const { retentionBytes, retentionMs } = this.#retention;
      if (logStart.retentionBytes !== retentionBytes || logStart.retentionMs !== retentionMs) {
        await this.#startAt({ ...logStart, ...this.#retention });
      }
      const start = this.#log.planRetention(this.#clock.now(), this.#log.syncedIndex);
      if (start !== undefined) await this.#startAt(start);
    } catch {
      // The log says itself what is wrong with it, to whoever appends.
    }
  }

  #outOfRange(offset: number): ProglogError {
    return new ProglogError(
      "OFFSET_OUT_OF_RANGE",
      `The requested offset is outside of the log: ${offset}`,
      {
        details: {
          offset: String(offset),
          lowest: String(this.lowestOffset),
          highest: String(this.nextOffset - 1),
        },
      },
    );
  }
}

/** The offset after a page. */
function endOf(batches: readonly Uint8Array[]): number {
  const last = batches.at(-1);
  assert(last !== undefined, "an offset inside the log has a batch");
  const { baseOffset, recordCount } = readBatchHeader(last);
  return baseOffset + recordCount;
}
