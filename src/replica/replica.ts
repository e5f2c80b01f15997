import {
  AssertionError,
  assert,
  checkRecord,
  ProglogError,
  silentObserver,
  systemClock,
  validateBatch,
} from "../base/index.ts";
import type { AppendAnswer, AppendOptions, ProducerIdentity, RecordInput } from "../base/index.ts";
import { AppendLoop, refuseEarly } from "./append-loop.ts";
import { abortError, batchStamp, checkConditions, checkOffset } from "./checks.ts";
import type { ReplicaOptions, ServersInfo } from "./options.ts";
import { checkProducerName } from "./producer-codec.ts";
import type { ProducerContent } from "./proposals.ts";
import { Retention } from "./retention.ts";
import type { RetentionRule } from "./retention.ts";
import { SoleVoter } from "./sole-voter.ts";

/**
 * The commit log of one server, as its services see it: appends go through the loop, reads see what
 * is committed.
 */
export class Replica implements AsyncDisposable {
  readonly name: string;
  readonly #options: ReplicaOptions;
  readonly #voter: SoleVoter;
  readonly #loop: AppendLoop;
  readonly #retention: Retention;
  readonly #listeners = new Set<() => void>();
  /** What the listeners were last told of. */
  #highWatermark: number;

  private constructor(options: ReplicaOptions) {
    const { log, producers } = options;
    this.name = options.name ?? "default";
    this.#options = options;
    this.#voter = new SoleVoter(log, options.replicaId);
    this.#highWatermark = this.#voter.committedOffset;
    const ports = {
      clock: options.clock ?? systemClock,
      observer: options.observer ?? silentObserver,
      schedule: options.schedule ?? ((task: () => void) => void setImmediate(task)),
    };
    const onCommit = (): void => this.#tellListeners();
    this.#loop = new AppendLoop({ ...ports, log, producers, voter: this.#voter, onCommit });
    this.#retention = new Retention({ ...ports, log, loop: this.#loop });
  }

  /**
   * Resolves once the replica leads: its vote in a new term is durable, and so is a first entry of
   * it. A full disk may delay that entry; then reads are served, and each append tries again.
   */
  static async start(options: ReplicaOptions): Promise<Replica> {
    const replica = new Replica(options);
    await replica.#voter.campaign();
    await replica.#loop.start();
    replica.#retention.start();
    return replica;
  }

  get term(): number {
    return this.#voter.term;
  }

  get committedIndex(): number {
    return this.#voter.committedIndex;
  }

  /** The first offset that can be read. */
  get lowestOffset(): number {
    return this.#options.log.lowestOffset;
  }

  /** One past the highest committed offset. */
  get highWatermark(): number {
    return this.#highWatermark;
  }

  /**
   * Appends one record and resolves once it is committed. Rejects with `notAppended` set when it was
   * decided, before anything was written, that this attempt puts nothing into the log:
   * `INVALID_ARGUMENT`, `RECORD_TOO_LARGE`, `OFFSET_MISMATCH`, the errors of `ProducerTable.decide`,
   * `RESOURCE_EXHAUSTED` (too much waits, or the disk is full), `UNAVAILABLE` (closing). Without it
   * (`STORAGE_FAILED`, and `CANCELLED` or `DEADLINE_EXCEEDED` by the signal) the outcome is unknown.
   */
  append(record: RecordInput, options: AppendOptions = {}): Promise<AppendAnswer> {
    try {
      checkRecord(record);
      checkConditions(options);
    } catch (error) {
      return reject(error, options);
    }
    return this.#loop.propose({ kind: "record", record }, options);
  }

  /**
   * The same for one RecordBatch, magic 2, which is checked here (`CORRUPT_BATCH`, `BATCH_TOO_LARGE`,
   * `UNSUPPORTED_COMPRESSION` besides) and belongs to the log from now on: base offset and leader
   * epoch are stamped in place. Its stamp is the one in its own header.
   */
  appendBatch(batch: Uint8Array, options: AppendOptions = {}): Promise<AppendAnswer> {
    try {
      checkConditions(options);
      const header = validateBatch(batch, { gunzip: this.#options.gunzip });
      const stamp = batchStamp(header, options.stamp);
      const { recordCount } = header;
      return this.#loop.propose({ kind: "batch", batch, recordCount }, { ...options, stamp });
    } catch (error) {
      return reject(error, options);
    }
  }

  /** A known name keeps its id and raises its epoch, which fences whoever held it before. */
  async createProducer(name: string, signal?: AbortSignal): Promise<ProducerIdentity> {
    checkProducerName(name);
    const content: ProducerContent = { kind: "producer", name, identity: undefined };
    await this.#loop.propose(content, { signal });
    assert(content.identity !== undefined, "an appended producer has an identity");
    return content.identity;
  }

  /** Whole batches of committed records; see `CommitLog.read`. */
  async read(
    offset: number,
    maxBytes: number,
    signal?: AbortSignal,
  ): Promise<readonly Uint8Array[]> {
    if (signal?.aborted === true) throw abortError(signal);
    checkOffset(offset);
    const limitOffset = this.#highWatermark;
    if (offset < this.lowestOffset || offset > limitOffset) throw this.#outOfRange(offset);
    if (offset === limitOffset) return [];
    return this.#options.log.readBatches(offset, { maxBytes, limitOffset });
  }

  /** The same from memory, or undefined when the disk has to be asked or has nothing to say. */
  readCached(offset: number, maxBytes: number): readonly Uint8Array[] | undefined {
    const limitOffset = this.#highWatermark;
    if (!(offset >= this.lowestOffset && offset <= limitOffset)) return undefined;
    if (offset === limitOffset) return [];
    return this.#options.log.readCached(offset, { maxBytes, limitOffset });
  }

  /** The only voter knows of everything that is committed; nobody needs to be asked. */
  readBarrier(signal?: AbortSignal): Promise<void> {
    return signal?.aborted === true ? Promise.reject(abortError(signal)) : Promise.resolve();
  }

  /** The first committed offset appended at or after a time (ms since 1970). */
  async offsetAtTime(timestampMs: number, signal?: AbortSignal): Promise<number | undefined> {
    if (signal?.aborted === true) throw abortError(signal);
    const offset = await this.#options.log.offsetAtTime(timestampMs);
    return offset === undefined || offset >= this.#highWatermark ? undefined : offset;
  }

  /** Calls back after each rise of the high watermark; the result unsubscribes. */
  onCommit(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  servers(): ServersInfo {
    const { clusterId, ...server } = this.#options.describe();
    const highWatermark = this.#highWatermark;
    return {
      clusterId,
      term: this.term,
      servers: [{ ...server, isLeader: this.#loop.isLeading, role: "voter", highWatermark }],
    };
  }

  /** How much of the log is kept from now on; the same on every replica, and after a restart. */
  setRetention(rule: RetentionRule): Promise<void> {
    return this.#retention.set(rule);
  }

  /** Lets go of the records below `offset`; `OFFSET_OUT_OF_RANGE` above the high watermark. */
  async deleteBefore(offset: number): Promise<void> {
    checkOffset(offset);
    if (offset > this.#highWatermark) throw this.#outOfRange(offset);
    await this.#retention.deleteBefore(offset);
  }

  /** Refuses new appends, answers those that were let in, and forgets its listeners. */
  async close(): Promise<void> {
    this.#retention.stop();
    await this.#loop.close();
    this.#listeners.clear();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #tellListeners(): void {
    const { committedOffset } = this.#voter;
    if (committedOffset === this.#highWatermark) return;
    this.#highWatermark = committedOffset;
    for (const listener of this.#listeners) listener();
  }

  #outOfRange(offset: number): ProglogError {
    const next = this.#highWatermark;
    const message = `The requested offset is outside of the log: ${offset}`;
    const details = {
      offset: String(offset),
      lowest: String(this.lowestOffset),
      highest: String(next - 1),
      next: String(next),
    };
    return new ProglogError("OFFSET_OUT_OF_RANGE", message, { details });
  }
}

function reject(caught: unknown, options: AppendOptions): Promise<never> {
  if (caught instanceof AssertionError) throw caught;
  return Promise.reject(refuseEarly(caught, options));
}
