/**
 * # replica: the loop between the services, the core and the log
 *
 * The core (`raft`) decides and does nothing; the log does and decides nothing. Here is who drives
 * both, for one replica of one log, alone or among others, by the same code:
 *
 *     input → step → persist ∥ send → apply → answer          (consensus.ts)
 *
 * Messages and ticks go into the core (`mail.ts`), and what it asks for is done: entries are made
 * durable (`persister.ts`), messages leave, what is committed is applied (`applier.ts`). Whenever this
 * replica leads and its disk is free, the appends that wait are decided in one group
 * (`append-loop.ts`, `sequencer.ts`, `decision.ts`) and proposed; all that arrive while a sync runs
 * share the next. Reads that must be fresh share rounds (`read-rounds.ts`), damage is mended with
 * entries of others (`repair.ts`), members come and go (`members.ts`), and what is to be appended at a
 * server that does not lead is handed to the one that does (`forwarding.ts` here, `forwarded.ts` there).
 * Links, time and chance are ports (`ports.ts`), so that a simulator can run this very code.
 *
 * Invariants: nothing is acknowledged, to a client or to a peer, before the sync that covers it;
 * everything is decided once, by the leader, at append, against its whole log, the uncommitted tail
 * included, and only after an entry of its term is committed; nothing is told, neither success nor
 * refusal, before what it was decided by is committed; an error carries `notAppended` only when nothing
 * of this attempt can be in the log; readers see what is committed; nobody here waits for a timer of its
 * own, or for anything but the ports and the log.
 *
 * How a cluster comes to be out of servers that have nothing yet is decided in `bootstrap.ts`: once,
 * and by all of them.
 *
 * Left out on purpose: who may append (the services ask), how bytes reach the disk (`log`) and the
 * other side (`transport`), and who should be a member (`membership`). Leases for reads (thesis 6.4.1):
 * they trust clocks.
 */
export type {
  PeerDescription,
  ReplicaOptions,
  ReplicaStatus,
  ReplicaTiming,
  ServerDescription,
  ServerInfo,
  ServersInfo,
} from "./options.ts";
export {
  decide,
  decodeBootstrapState,
  decodeProposal,
  encodeBootstrap,
  grant,
  IDLE,
  initialConfiguration,
  outcomeOf,
  planBootstrap,
} from "./bootstrap.ts";
export type { BootstrapState, Outcome, Proposal, Waiting } from "./bootstrap.ts";
export type { Members } from "./members.ts";
export { ForwardingLog, type ForwardingLogOptions } from "./forwarding-log.ts";
export type { AskLeader } from "./forwarding.ts";
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
export { recoverAlone } from "./recover.ts";
export { Replica } from "./replica.ts";
export type { ReplicaLog } from "./replica-log.ts";
export type { RetentionRule } from "./retention.ts";
