import type { ConfigurationEntry, Entry, NormalEntry, ReplicaId } from "./entry.ts";
import type { Snapshot } from "./storage.ts";

/**
 * What replicas say to each other. Every message names its two ends and the sender's term; a
 * proposal and a read that are handed on carry term 0, because they do not speak for a term.
 */
interface Envelope {
  readonly from: ReplicaId;
  readonly to: ReplicaId;
  readonly term: number;
}

/** Paper 5.2, 5.4.1: "may I lead?", with the candidate's last entry. */
export interface RequestVote extends Envelope {
  readonly kind: "requestVote";
  readonly lastIndex: number;
  readonly lastTerm: number;
  /** The candidate was told to campaign by the leader itself: leases do not hold against it. */
  readonly transfer: boolean;
}

export interface RequestVoteResponse extends Envelope {
  readonly kind: "requestVoteResponse";
  readonly rejected: boolean;
}

/** Thesis 9.6: "would you vote for me in `term`?"; nobody's term changes by asking. */
export interface RequestPreVote extends Envelope {
  readonly kind: "requestPreVote";
  readonly lastIndex: number;
  readonly lastTerm: number;
}

export interface RequestPreVoteResponse extends Envelope {
  readonly kind: "requestPreVoteResponse";
  readonly rejected: boolean;
}

/** Paper 5.3. Without entries it carries a newer commit index, or probes. */
export interface AppendEntries extends Envelope {
  readonly kind: "appendEntries";
  /** The entry before the first of `entries`; 0 and 0 at the start of the log. */
  readonly previousIndex: number;
  readonly previousTerm: number;
  readonly entries: readonly Entry[];
  readonly commit: number;
  /** To a damaged replica: its damage is cured once `repairIndex` is matched and committed; else 0. */
  readonly damageId: number;
  readonly repairIndex: number;
}

export interface AppendEntriesResponse extends Envelope {
  readonly kind: "appendEntriesResponse";
  /** Accepted: the last index that matches. Rejected: the `previousIndex` that did not. */
  readonly index: number;
  readonly rejected: boolean;
  /** Rejected: the highest entry of the follower that may match, and its term; otherwise 0. */
  readonly hintIndex: number;
  readonly hintTerm: number;
  /** Above 0: the sender may have lost what it acknowledged; one number for each such start. */
  readonly damageId: number;
}

export interface Heartbeat extends Envelope {
  readonly kind: "heartbeat";
  /** Never beyond what the follower is known to match. */
  readonly commit: number;
  /** The leader's round of reads that an answer confirms; 0: none is waiting. */
  readonly readRound: number;
}

export interface HeartbeatResponse extends Envelope {
  readonly kind: "heartbeatResponse";
  readonly readRound: number;
  readonly damageId: number;
}

/** Paper 7: what a follower gets whose next entry the leader no longer has. */
export interface InstallSnapshot extends Envelope {
  readonly kind: "installSnapshot";
  readonly snapshot: Snapshot;
}

/** Thesis 3.10: campaign at once, the leader wants you to succeed it. */
export interface TimeoutNow extends Envelope {
  readonly kind: "timeoutNow";
}

/** A follower hands proposals on to its leader. Their index and term are 0. */
export interface Propose extends Envelope {
  readonly kind: "propose";
  readonly entries: readonly (NormalEntry | ConfigurationEntry)[];
}

/** A follower asks the leader for a read index (thesis 6.4). The id is unique per request. */
export interface ReadIndex extends Envelope {
  readonly kind: "readIndex";
  readonly readId: number;
}

export interface ReadIndexResponse extends Envelope {
  readonly kind: "readIndexResponse";
  readonly readId: number;
  readonly index: number;
}

/** A follower hands a wish for another leader on to the leader. */
export interface TransferLeadership extends Envelope {
  readonly kind: "transferLeadership";
  readonly target: ReplicaId;
}

/** What travels between replicas: everything that a link may carry. */
export type Message =
  | RequestVote
  | RequestVoteResponse
  | RequestPreVote
  | RequestPreVoteResponse
  | AppendEntries
  | AppendEntriesResponse
  | Heartbeat
  | HeartbeatResponse
  | InstallSnapshot
  | TimeoutNow
  | Propose
  | ReadIndex
  | ReadIndexResponse
  | TransferLeadership;

export type MessageKind = Message["kind"];

/** A storage task is done; never on a link. `term` is the one in which the task was given. */
export interface StorageAppendResponse extends Envelope {
  readonly kind: "storageAppendResponse";
  /** The last entry that is durable now; 0 when the task had none to tell of. */
  readonly index: number;
  readonly indexTerm: number;
  /** The snapshot that is durable now. */
  readonly snapshot: Snapshot | undefined;
}

export interface StorageApplyResponse extends Envelope {
  readonly kind: "storageApplyResponse";
  readonly entries: readonly Entry[];
}

/**
 * What a finished storage task sets free, in order. Those whose `to` is another replica are sent;
 * those to this replica itself are given to `Raft.stepLocal`.
 */
export type StorageResponse = Message | StorageAppendResponse | StorageApplyResponse;
