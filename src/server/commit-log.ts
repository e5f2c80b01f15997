import type { AppendAnswer, AppendOptions, ProducerIdentity, RecordInput } from "../base/index.ts";

/** One server as `GetServers` shows it. */
export interface ServerInfo {
  readonly id: string;
  readonly rpcAddress: string;
  readonly httpAddress: string;
  readonly isLeader: boolean;
  readonly role: "voter" | "learner";
  /** One past the highest committed offset that it has; undefined where that is not known here. */
  readonly highWatermark: number | undefined;
  readonly fsyncRelaxed: boolean;
}

export interface ServersInfo {
  readonly clusterId: string;
  readonly term: number;
  readonly servers: readonly ServerInfo[];
}

/** What the services need of the log behind them. Implemented by the replica, wired by the agent. */
export interface CommitLog {
  /** The log's name; requests may name it or leave it empty. */
  readonly name: string;

  /**
   * Appends one record; resolves once it is durable. Rejects with `notAppended` set when it was
   * decided, before anything was written, that the record will not be in the log.
   */
  append(record: RecordInput, options: AppendOptions): Promise<AppendAnswer>;

  /**
   * Appends one RecordBatch, magic 2, as it came (it is checked here). The array is taken over: the
   * caller must not touch it again, since base offset and leader epoch are stamped in place.
   */
  appendBatch(batch: Uint8Array, options: AppendOptions): Promise<AppendAnswer>;

  createProducer(name: string, signal?: AbortSignal): Promise<ProducerIdentity>;

  /** The first offset that can be read. */
  readonly lowestOffset: number;
  /** One past the highest committed offset. */
  readonly highWatermark: number;

  /**
   * Whole batches of committed records from `offset` on, about `maxBytes` of them but at least one;
   * the first may begin before `offset`. Empty when `offset` equals the high watermark. The arrays
   * are shared and must not be written to. Rejects with `OFFSET_OUT_OF_RANGE` below the lowest and
   * above the high watermark, `DATA_LOSS` where the disk lost what it had.
   */
  read(offset: number, maxBytes: number, signal?: AbortSignal): Promise<readonly Uint8Array[]>;

  /** The same from memory, or undefined when the disk would have to be asked. Never throws. */
  readCached(offset: number, maxBytes: number): readonly Uint8Array[] | undefined;

  /**
   * Resolves once this replica has everything that was committed before the call (ReadIndex); the
   * high watermark then covers it.
   */
  readBarrier(signal?: AbortSignal): Promise<void>;

  /** The first offset appended at or after a time (ms since 1970); undefined when there is none. */
  offsetAtTime(timestampMs: number, signal?: AbortSignal): Promise<number | undefined>;

  /** Calls back after each rise of the high watermark; the result unsubscribes. Must not throw. */
  onCommit(listener: () => void): () => void;

  servers(): ServersInfo;
}
