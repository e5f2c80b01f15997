/**
 * # raft: who leads, what is agreed, and nothing else
 *
 * Raft as the paper has it (Ongaro and Ousterhout, 2014, sections 5 to 8) and Ongaro's thesis where
 * the paper ends: pre-vote (9.6), leadership transfer (3.10), membership changes (4), reads without
 * log entries (6.4). Its observable behaviour is etcd/raft's.
 *
 * This folder decides and does nothing: no clock, no chance of its own, no disk, no network, no
 * waiting. A driver feeds it messages (`step`), time (`tick`) and wishes (`propose`, ...), takes what
 * is to be done (`ready`), does it, and says so (`advance`).
 *
 * A configuration takes effect when its entry is applied (etcd's rule), not when it is appended (the
 * thesis' rule). Storage gives back the applied configuration, and the index of the entry that made
 * it, at the next start.
 *
 * Left out on purpose: bytes. The core carries payloads and never looks at one.
 */
export {
  changeConfiguration,
  type ConfigurationRefusal,
  type ConfigurationResult,
} from "./configuration.ts";
export type * from "./entry.ts";
export type * from "./event.ts";
export type * from "./message.ts";
export type { RaftOptions } from "./options.ts";
export { Raft } from "./raft.ts";
export type { Progress, ProgressState } from "./progress.ts";
export type * from "./ready.ts";
export type * from "./result.ts";
export type * from "./storage.ts";
