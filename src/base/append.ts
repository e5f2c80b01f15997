import type { ProglogError } from "./errors.ts";
import type { Span } from "./observed-call.ts";
import type { RecordHeader } from "./record-batch.ts";

/** One attempt of an idempotent producer: (id, epoch, sequence), so that a repetition is recognised. */
export interface ProducerStamp {
  readonly id: number;
  readonly epoch: number;
  /** The sequence of the first record; 0..2^31−1, wrapping to 0. */
  readonly sequence: number;
}

export interface ProducerIdentity {
  readonly id: number;
  readonly epoch: number;
}

/**
 * Appends that must keep their order, such as those of one client stream: once one of them has
 * failed, those behind it are not appended either, so that a client which sends them again in order
 * finds neither gaps nor changed places. Shared by all appends of the stream.
 */
export interface AppendStream {
  /** Why the first of them failed; set by whoever appends. */
  failed?: ProglogError | undefined;
}

/** Who appends, and how long he waits: for a server that hands the append on. Asked only then. */
export interface AppendOrigin {
  /** What he is called; it was checked that he may. */
  readonly subject: string;
  /** Milliseconds since 1970; undefined: for ever. */
  readonly deadlineMs: number | undefined;
}

export interface AppendOptions {
  readonly stamp?: ProducerStamp | undefined;
  /** Append at this offset or not at all (`OFFSET_MISMATCH`). */
  readonly expectedOffset?: number | undefined;
  /** The stream that this append is one of. */
  readonly stream?: AppendStream | undefined;
  /** Ends the waiting, not the append. */
  readonly signal?: AbortSignal | undefined;
  /** Of the call that appends, when it is traced. */
  readonly span?: Span | undefined;
  readonly origin?: AppendOrigin | undefined;
}

export interface AppendAnswer {
  readonly baseOffset: number;
  readonly recordCount: number;
  readonly term: number;
  readonly timestampMs: number;
  /** This stamp had been appended before; the offset is the first attempt's. */
  readonly duplicate: boolean;
}

/** A record as a client gives it. */
export interface RecordInput {
  readonly value: Uint8Array | null;
  readonly key?: Uint8Array | null | undefined;
  readonly headers?: readonly RecordHeader[] | undefined;
  /** Milliseconds since 1970; absent or 0: the server's clock. */
  readonly timestampMs?: number | undefined;
}
