import type { Log } from "../log/index.ts";

/** What a replica needs of the log; in tests, anything that does the same. */
export type ReplicaLog = Pick<
  Log,
  | "admission"
  | "append"
  | "control"
  | "hardState"
  | "lastAppendedAt"
  | "lastIndex"
  | "lastTerm"
  | "logStartAt"
  | "lowestOffset"
  | "nextOffset"
  | "offsetAtTime"
  | "planRetention"
  | "readBatches"
  | "readCached"
  | "saveHardState"
  | "setCommitIndex"
  | "startAt"
  | "sync"
  | "syncedIndex"
  | "syncedOffset"
>;
