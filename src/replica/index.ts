/**
 * # replica: the loop between the services and the log
 *
 * Callers give appends; each gets one answer. One turn of the loop (`append-loop.ts`) is
 *
 *     decide and append (sequencer.ts) → make durable and commit (sole-voter.ts) → answer (answers.ts)
 *
 * and everything that arrives during a turn shares the next: that is how one fsync serves many. The
 * three steps know nothing of each other, so that agreement among several replicas can take the place
 * of the second. Decisions (`decision.ts`, `producers.ts`) are plain functions of the log's content.
 *
 * Invariants: everything is decided once, at append, against the whole log of this replica, its
 * uncommitted tail included, and only after an entry of the present term is committed; nothing is
 * told, neither success nor refusal, before what it was decided by is committed; an error carries
 * `notAppended` only when nothing of this attempt can be in the log; readers see what is committed.
 *
 * Left out on purpose: who may append (the services ask), how bytes reach the disk (`log`), and for
 * now the other replicas (Ongaro and Ousterhout, "In Search of an Understandable Consensus
 * Algorithm", 2014: a configuration of one voter elects itself and commits what it has).
 */
export type {
  ReplicaOptions,
  ReplicaTiming,
  ServerDescription,
  ServerInfo,
  ServersInfo,
} from "./options.ts";
export { noPeers } from "./ports.ts";
export type {
  FetchedEntries,
  FetchEntries,
  PeerMessage,
  Peers,
  RaftEnvelope,
  ReplicaPorts,
} from "./ports.ts";
export { ProducerTable } from "./producers.ts";
export { Replica } from "./replica.ts";
export type { ReplicaLog } from "./replica-log.ts";
export type { RetentionRule } from "./retention.ts";
