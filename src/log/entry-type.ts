/** What an entry carries. A type that this build does not know is refused, never skipped. */
export const ENTRY_TYPE = {
  records: 0,
  noop: 1,
  configuration: 2,
  logStart: 3,
  producerCreated: 4,
  featureLevel: 5,
  /** Local to one file: says what was durable before this write. Never sent, never served. */
  fence: 255,
} as const;

export type EntryType = (typeof ENTRY_TYPE)[keyof typeof ENTRY_TYPE];

/** One entry of the log: Raft's envelope around an opaque payload. */
export interface Entry {
  /** Raft's index, from 1. */
  readonly index: number;
  readonly term: number;
  readonly type: EntryType;
  /** The next record offset before this entry; entries without records carry it too. */
  readonly baseOffset: number;
  /** Milliseconds since 1970; never less than the entry's before. */
  readonly appendedAt: number;
  /** Records in the payload; 0 for every type but `records`. */
  readonly recordCount: number;
  /** For `records` exactly one RecordBatch with base offset and leader epoch stamped. */
  readonly payload: Uint8Array;
}
