import type { Configuration } from "../base/index.ts";
import type { ReplicaId } from "./entry.ts";

/** Why something was not done. None of them is an error of this replica. */
export type RefusalReason =
  /** A number is no safe integer, a list is no list, a kind is unknown, the address is not ours. */
  | "malformed"
  /** An answer of somebody who is not in the configuration. */
  | "unknownPeer"
  /** So far ahead of ours that it cannot be honest. */
  | "termTooFar"
  /** Entries that do not follow each other, or not the message's own place. */
  | "brokenChain"
  /** Committed beyond the end of our log: we have lost what we acknowledged. */
  | "commitBeyondLog"
  /** A configuration that names nobody, or a replica in two roles. */
  | "badConfiguration"
  | "noLeader"
  | "notLeader"
  | "notMember"
  | "transferring"
  | "uncommittedLimit"
  | "forwardingDisabled"
  | "readsLimit"
  /** Lease-based reads need every replica to remember its leader. */
  | "leaseBasedReads"
  /** A configuration change where another is unapplied, or that does not fit the current one. */
  | "unappliedChange"
  | "alreadyJoint"
  | "notJoint";

/** What happened inside, as facts: whoever observes finds the words. In order of happening. */
export type RaftEvent =
  | { readonly kind: "becameFollower"; readonly term: number; readonly leader: ReplicaId }
  | { readonly kind: "becamePreCandidate"; readonly term: number }
  | { readonly kind: "becameCandidate"; readonly term: number }
  | { readonly kind: "becameLeader"; readonly term: number }
  | { readonly kind: "cannotCampaign"; readonly reason: "unpromotable" | "unappliedChange" }
  | { readonly kind: "switchedConfiguration"; readonly configuration: Configuration }
  | { readonly kind: "leavingJointConfiguration" }
  | { readonly kind: "leaderForgotten"; readonly term: number }
  | { readonly kind: "quorumLost"; readonly term: number }
  | { readonly kind: "storageStalled"; readonly term: number }
  | {
      readonly kind: "transferStarted" | "transferAborted" | "timeoutNowSent";
      readonly target: ReplicaId;
    }
  | { readonly kind: "snapshotSent"; readonly to: ReplicaId; readonly index: number }
  | { readonly kind: "snapshotRestored"; readonly index: number; readonly term: number }
  | { readonly kind: "snapshotIgnored"; readonly index: number; readonly term: number }
  | { readonly kind: "logTruncated"; readonly fromIndex: number }
  | { readonly kind: "peerDamaged"; readonly peer: ReplicaId; readonly repairIndex: number }
  | { readonly kind: "peerRepaired"; readonly peer: ReplicaId }
  | { readonly kind: "damageCleared"; readonly term: number }
  | { readonly kind: "staleTerm"; readonly from: ReplicaId; readonly term: number }
  | {
      readonly kind: "refused";
      /** What was refused: a message kind, or the call of that name. */
      readonly what: string;
      readonly from: ReplicaId;
      readonly reason: RefusalReason;
    };

export type RaftObserver = (event: RaftEvent) => void;
