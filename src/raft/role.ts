import type { ReplicaId } from "./entry.ts";
import type { Progress } from "./progress.ts";
import type { ReadIndexQueue } from "./read-index.ts";

export interface FollowerState {
  readonly name: "follower";
}

/** Who answered, and how. */
export type Votes = Map<ReplicaId, boolean>;

export interface PreCandidateState {
  readonly name: "preCandidate";
  readonly votes: Votes;
}

export interface CandidateState {
  readonly name: "candidate";
  readonly votes: Votes;
}

export interface LeaderState {
  readonly name: "leader";
  /** Of every member, in ascending order of ids, the leader itself included while it is one. */
  progress: Map<ReplicaId, Progress>;
  heartbeatElapsedTicks: number;
  /** Who is to lead next; 0: nobody. */
  transferTarget: ReplicaId;
  /** No configuration change is proposed while this index is not applied. */
  pendingConfigurationIndex: number;
  uncommittedBytes: number;
  readonly reads: ReadIndexQueue;
}

/** What a replica is, with what only that role knows. */
export type RoleState = FollowerState | PreCandidateState | CandidateState | LeaderState;
