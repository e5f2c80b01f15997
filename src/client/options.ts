import type { CallOptions } from "./connection.ts";

export interface ProduceOptions extends CallOptions {
  /** Append at this offset or not at all (`OFFSET_MISMATCH`). */
  readonly expectedOffset?: number | undefined;
}

export interface ProduceAnswer {
  readonly offset: number;
  readonly term: number;
  readonly timestampMs: number;
  readonly duplicate: boolean;
}

export interface ReadOptions extends CallOptions {
  /**
   * `linearizable`: everything that was acknowledged to anyone before the call. `stale`, the default:
   * what the server knows, which is never wrong, may be old, and includes what this client produced.
   */
  readonly consistency?: "stale" | "linearizable" | undefined;
  /** Wait until the server has the record at this offset. */
  readonly minOffset?: number | undefined;
}

/** An offset, the first or the next record of the log, or the first one appended at or after a time. */
export type Position = number | "start" | "end" | Date;

export interface RecordsOptions extends ReadOptions {
  /** Default: the start. */
  readonly from?: Position | undefined;
  /** Go on with new records as they come. Default: end where the log ends at the call. */
  readonly follow?: boolean | undefined;
  /** End after so many records. */
  readonly limit?: number | undefined;
}
