/** A follower answers, forwards, and waits for its leader to fall silent (paper 5.2). */
import { acceptAppend, acceptHeartbeat, acceptSnapshot } from "./accept.ts";
import { ACCEPTED, type Core } from "./core.ts";
import { maybeCampaign } from "./election.ts";
import type { ReplicaId } from "./entry.ts";
import { accepted, type Handlers, refusedAs, vote, preVote } from "./handlers.ts";
import type { ProposedEntry } from "./proposals.ts";
import type { ProposeResult, StepResult } from "./result.ts";
import type { FollowerState } from "./role.ts";

export const FOLLOWER: Handlers<FollowerState> = {
  requestVote: vote,
  requestPreVote: preVote,
  // Answers to a campaign that is over, or to a leadership that is.
  requestVoteResponse: accepted,
  requestPreVoteResponse: accepted,
  appendEntriesResponse: accepted,
  heartbeatResponse: accepted,
  appendEntries: (core, _role, message) => {
    hearLeader(core, message.from);
    return acceptAppend(core, message);
  },
  heartbeat: (core, _role, message) => {
    hearLeader(core, message.from);
    return acceptHeartbeat(core, message);
  },
  installSnapshot: (core, _role, message) => {
    hearLeader(core, message.from);
    return acceptSnapshot(core, message);
  },
  // The leader chose its time: no pre-vote, and its lease does not hold (thesis 3.10).
  timeoutNow: (core) => {
    maybeCampaign(core, "transfer");
    return ACCEPTED;
  },
  // What others handed on goes no further, or two who mistake each other would play ball with it.
  propose: refusedAs("notLeader"),
  readIndex: refusedAs("notLeader"),
  transferLeadership: refusedAs("notLeader"),
  readIndexResponse: (core, _role, { readId, index }) => {
    core.readStates.push({ readId, index });
    return ACCEPTED;
  },
};

function hearLeader(core: Core, leader: ReplicaId): void {
  core.electionElapsedTicks = 0;
  core.leader = leader;
}

export function forwardProposals(core: Core, entries: readonly ProposedEntry[]): ProposeResult {
  const to = core.leader;
  if (to === 0) return { kind: "refused", reason: "noLeader" };
  if (!core.settings.forwardProposals) return { kind: "refused", reason: "forwardingDisabled" };
  core.send({ kind: "propose", from: core.id, to, term: 0, entries });
  return { kind: "forwarded", to };
}

export function forwardRead(core: Core, readId: number): StepResult {
  if (core.leader === 0) return { kind: "refused", reason: "noLeader" };
  core.send({ kind: "readIndex", from: core.id, to: core.leader, term: 0, readId });
  return ACCEPTED;
}

export function forwardTransfer(core: Core, target: ReplicaId): StepResult {
  const { id: from, leader: to, term } = core;
  if (to === 0) return core.refuse("transferLeadership", from, "noLeader");
  core.send({ kind: "transferLeadership", from, to, term, target });
  return ACCEPTED;
}

/**
 * Stops believing in the leader without a new term: the driver knows that it is gone, and others may
 * now be granted a pre-vote before the timeout.
 */
export function forgetLeader(core: Core): StepResult {
  if (core.settings.reads === "lease") {
    return core.refuse("forgetLeader", core.id, "leaseBasedReads");
  }
  if (core.leader !== 0) {
    core.leader = 0;
    core.emit({ kind: "leaderForgotten", term: core.term });
  }
  return ACCEPTED;
}

/** Followers, pre-candidates and candidates: nobody was heard for too long. */
export function tickElection(core: Core): void {
  core.electionElapsedTicks += 1;
  if (!core.promotable || core.electionElapsedTicks < core.randomizedTimeoutTicks) return;
  core.electionElapsedTicks = 0;
  maybeCampaign(core, core.settings.preVote ? "preVote" : "vote");
}
