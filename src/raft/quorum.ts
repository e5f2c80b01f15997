/** Majorities and joint majorities, as arithmetic on ids (paper 5.3, 5.4; thesis 4.3). */
import type { ReplicaId } from "./entry.ts";

export type VoteResult = "pending" | "lost" | "won";

/** More than half: 1 of 1, 2 of 2, 2 of 3, 3 of 4. */
export function majorityOf(count: number): number {
  return Math.floor(count / 2) + 1;
}

/**
 * The highest index that a majority of `voters` has acknowledged. Nobody is a quorum of nobody, so
 * that an empty half of a joint configuration never holds the other back: Infinity.
 */
export function majorityCommitted(
  voters: readonly ReplicaId[],
  ackedIndex: (voter: ReplicaId) => number | undefined,
): number {
  if (voters.length === 0) return Infinity;
  const acked = voters.map((voter) => ackedIndex(voter) ?? 0).sort((a, b) => a - b);
  return acked[voters.length - majorityOf(voters.length)] ?? 0;
}

/** In a joint configuration both halves must agree. */
export function jointCommitted(
  incoming: readonly ReplicaId[],
  outgoing: readonly ReplicaId[],
  ackedIndex: (voter: ReplicaId) => number | undefined,
): number {
  return Math.min(majorityCommitted(incoming, ackedIndex), majorityCommitted(outgoing, ackedIndex));
}

/** `vote` is undefined of those who have not answered. */
export function majorityVote(
  voters: readonly ReplicaId[],
  vote: (voter: ReplicaId) => boolean | undefined,
): VoteResult {
  if (voters.length === 0) return "won";
  let granted = 0;
  let missing = 0;
  for (const voter of voters) {
    const answer = vote(voter);
    if (answer === undefined) missing += 1;
    else if (answer) granted += 1;
  }
  const quorum = majorityOf(voters.length);
  if (granted >= quorum) return "won";
  return granted + missing >= quorum ? "pending" : "lost";
}

export function jointVote(
  incoming: readonly ReplicaId[],
  outgoing: readonly ReplicaId[],
  vote: (voter: ReplicaId) => boolean | undefined,
): VoteResult {
  const first = majorityVote(incoming, vote);
  const second = majorityVote(outgoing, vote);
  if (first === second) return first;
  return first === "lost" || second === "lost" ? "lost" : "pending";
}
