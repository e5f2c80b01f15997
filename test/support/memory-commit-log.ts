import { gunzipBounded } from "../../src/api/index.ts";
import {
  batchEndOffset,
  BatchBuilder,
  ProglogError,
  readBatchHeader,
  stampBatch,
  validateBatch,
} from "../../src/base/index.ts";
import type {
  AppendAnswer,
  AppendOptions,
  ProducerIdentity,
  RecordInput,
} from "../../src/base/index.ts";
import type { CommitLog, ServersInfo } from "../../src/server/commit-log.ts";

export interface MemoryCommitLogOptions {
  /** False: nothing is committed before `commit()`. */
  readonly autoCommit?: boolean;
  /** False: `readCached` has nothing, as for records that are only on the disk. */
  readonly cached?: boolean;
  readonly now?: () => number;
}

interface Proposal {
  readonly batch: Uint8Array;
  readonly answers: { resolve: (answer: AppendAnswer) => void; timestampMs: number }[];
}

/**
 * A commit log in memory, for tests and measurements of what stands before it: real batches, group
 * commit (single records of one turn share a batch), offsets at the time of the commit, refusals
 * that were decided before anything was proposed. What it lacks is a disk and producers' stamps.
 */
export class MemoryCommitLog implements CommitLog {
  readonly name = "default";
  readonly term = 1;
  lowestOffset = 0;
  /** Refuses, or lets pass, what is proposed next; throw to refuse. */
  onPropose: (() => void) | undefined;
  readonly #options: MemoryCommitLogOptions;
  readonly #batches: Uint8Array[] = [];
  readonly #ends: number[] = [];
  readonly #listeners = new Set<() => void>();
  readonly #builder = new BatchBuilder();
  #packed: Proposal["answers"] = [];
  #proposals: Proposal[] = [];
  #scheduled = false;
  #nextOffset = 0;
  #producers = 0;
  /** How often the disk and the read barrier were asked. */
  reads = 0;
  barriers = 0;

  constructor(options: MemoryCommitLogOptions = {}) {
    this.#options = options;
  }

  get highWatermark(): number {
    return this.#nextOffset;
  }

  /** How many listen for commits. */
  get listeners(): number {
    return this.#listeners.size;
  }

  append(record: RecordInput, options: AppendOptions = {}): Promise<AppendAnswer> {
    return new Promise((resolve) => {
      this.#admit(options);
      const timestampMs = record.timestampMs || this.#now();
      if (!this.#builder.add(record, timestampMs)) {
        this.#pack();
        this.#builder.add(record, timestampMs);
      }
      this.#packed.push({ resolve, timestampMs });
      this.#schedule();
    });
  }

  appendBatch(batch: Uint8Array, options: AppendOptions = {}): Promise<AppendAnswer> {
    return new Promise((resolve) => {
      this.#admit(options);
      try {
        validateBatch(batch, { gunzip: gunzipBounded });
      } catch (caught) {
        throw refused(ProglogError.from(caught));
      }
      this.#pack();
      this.#proposals.push({ batch, answers: [{ resolve, timestampMs: this.#now() }] });
      this.#schedule();
    });
  }

  createProducer(): Promise<ProducerIdentity> {
    this.#producers += 1;
    return Promise.resolve({ id: this.#producers, epoch: 0 });
  }

  /** Makes what was proposed part of the log, and answers it. */
  commit(): void {
    this.#pack();
    const proposals = this.#proposals;
    this.#proposals = [];
    if (proposals.length === 0) return;
    for (const { batch, answers } of proposals) this.#store(batch, answers);
    for (const listener of this.#listeners) listener();
  }

  read(offset: number, maxBytes: number): Promise<readonly Uint8Array[]> {
    this.reads += 1;
    if (offset < this.lowestOffset || offset > this.#nextOffset) {
      return Promise.reject(new ProglogError("OFFSET_OUT_OF_RANGE", "not in this log"));
    }
    return new Promise((resolve) => {
      setImmediate(() => {
        resolve(this.#slice(offset, maxBytes));
      });
    });
  }

  readCached(offset: number, maxBytes: number): readonly Uint8Array[] | undefined {
    if (this.#options.cached === false || offset < this.lowestOffset) return undefined;
    return this.#slice(offset, maxBytes);
  }

  readBarrier(signal?: AbortSignal): Promise<void> {
    this.barriers += 1;
    signal?.throwIfAborted();
    return Promise.resolve();
  }

  offsetAtTime(timestampMs: number): Promise<number | undefined> {
    const batch = this.#batches.find((one) => readBatchHeader(one).maxTimestamp >= timestampMs);
    return Promise.resolve(batch && readBatchHeader(batch).baseOffset);
  }

  onCommit(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  servers(): ServersInfo {
    const server = {
      id: "memory",
      rpcAddress: "127.0.0.1:8400",
      httpAddress: "",
      isLeader: true,
      role: "voter",
      highWatermark: this.#nextOffset,
      fsyncRelaxed: true,
    } as const;
    return { clusterId: "memory", term: this.term, servers: [server] };
  }

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }

  #admit({ expectedOffset }: AppendOptions): void {
    this.onPropose?.();
    if (expectedOffset === undefined) return;
    const pending = this.#proposals.reduce((sum, { batch }) => sum + recordCount(batch), 0);
    const next = this.#nextOffset + pending + this.#packed.length;
    if (expectedOffset === next) return;
    throw refused(new ProglogError("OFFSET_MISMATCH", `the next offset is ${next}`));
  }

  #schedule(): void {
    if (this.#scheduled || this.#options.autoCommit === false) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.commit();
    });
  }

  #pack(): void {
    if (this.#packed.length === 0) return;
    this.#proposals.push({ batch: this.#builder.finish(), answers: this.#packed });
    this.#packed = [];
  }

  #store(batch: Uint8Array, answers: Proposal["answers"]): void {
    const baseOffset = this.#nextOffset;
    stampBatch(batch, baseOffset, this.term);
    this.#nextOffset = batchEndOffset(batch);
    this.#batches.push(batch);
    this.#ends.push(this.#nextOffset);
    const single = answers.length > 1;
    for (const [index, { resolve, timestampMs }] of answers.entries()) {
      resolve({
        baseOffset: baseOffset + index,
        recordCount: single ? 1 : recordCount(batch),
        term: this.term,
        timestampMs,
        duplicate: false,
      });
    }
  }

  #slice(offset: number, maxBytes: number): Uint8Array[] {
    let low = 0;
    let high = this.#ends.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#ends[middle] as number) <= offset) low = middle + 1;
      else high = middle;
    }
    const batches: Uint8Array[] = [];
    for (let bytes = 0; low < this.#batches.length && (bytes < maxBytes || bytes === 0); low++) {
      const batch = this.#batches[low] as Uint8Array;
      batches.push(batch);
      bytes += batch.length;
    }
    return batches;
  }
}

function recordCount(batch: Uint8Array): number {
  return readBatchHeader(batch).recordCount;
}

function refused(error: ProglogError): ProglogError {
  const { code, message, details } = error;
  return new ProglogError(code, message, { details, notAppended: true });
}
