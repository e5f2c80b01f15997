/** A leader replicates, commits, answers reads, and makes sure that it still leads (paper 5.3, 5.4; thesis 6). */
import { ACCEPTED, type Core } from "./core.ts";
import { noteCure, noteDamage } from "./damage.ts";
import type { ReplicaId } from "./entry.ts";
import { accepted, type Handlers, preVote, refusedAs, vote } from "./handlers.ts";
import type { AppendEntriesResponse, HeartbeatResponse } from "./message.ts";
import type { Progress } from "./progress.ts";
import { proposeAsLeader } from "./proposals.ts";
import { answerConfirmed, requestRead, startEarlyReads } from "./reads.ts";
import {
  broadcastAppend,
  broadcastHeartbeat,
  isQuorumActive,
  maybeCommit,
  sendAppend,
} from "./replication.ts";
import type { StepResult } from "./result.ts";
import type { LeaderState } from "./role.ts";
import { becomeFollower } from "./transitions.ts";

export const LEADER: Handlers<LeaderState> = {
  requestVote: vote,
  requestPreVote: preVote,
  // Answers to the campaign that it has won.
  requestVoteResponse: accepted,
  requestPreVoteResponse: accepted,
  // Another leader of the same term there cannot be (election safety): whoever says so is not one of us.
  appendEntries: refusedAs("notLeader"),
  heartbeat: refusedAs("notLeader"),
  installSnapshot: refusedAs("notLeader"),
  timeoutNow: accepted,
  readIndexResponse: accepted,
  appendEntriesResponse: onAppendResponse,
  heartbeatResponse: onHeartbeatResponse,
  propose: (core, role, message) => {
    const result = proposeAsLeader(core, role, message.entries);
    if (result.kind !== "refused") return ACCEPTED;
    return core.refuse(message.kind, message.from, result.reason);
  },
  readIndex: (core, role, { readId, from }) => requestRead(core, role, { readId, from }),
  transferLeadership: (core, role, { target }) => startTransfer(core, role, target),
};

function onAppendResponse(
  core: Core,
  role: LeaderState,
  message: AppendEntriesResponse,
): StepResult {
  const { from } = message;
  const progress = role.progress.get(from);
  if (progress === undefined) return ACCEPTED;
  progress.recentActive = true;
  if (noteDamage(core, role, from, progress, message.damageId)) {
    broadcastAppend(core, role);
    return ACCEPTED;
  }
  if (message.rejected) {
    onRejection(core, role, progress, message);
    return ACCEPTED;
  }
  // Nobody holds what this leader does not have; an answer that says so is not of this log.
  if (message.index > core.log.lastIndex) return core.refuse(message.kind, from, "brokenChain");
  noteCure(core, progress, message);
  // An answer that is no news still shows that a probe fits.
  const fits = progress.match === message.index && progress.state === "probe";
  if (progress.maybeUpdate(message.index) || fits) {
    resumeReplication(core, progress, message.index);
    afterProgress(core, role, from, progress);
  }
  return ACCEPTED;
}

/**
 * The logs do not fit before this append. The follower names the highest place where they may; if its
 * term there is lower than ours, they cannot fit at any place of ours with a higher term, so that one
 * probe a term is enough (paper 5.3, last part).
 */
function onRejection(
  core: Core,
  role: LeaderState,
  progress: Progress,
  message: AppendEntriesResponse,
): void {
  const { hintIndex, hintTerm } = message;
  const start = Math.min(hintIndex, core.log.lastIndex);
  const hint = hintTerm > 0 ? core.log.findConflictByTerm(start, hintTerm).index : hintIndex;
  if (!progress.maybeDecrease(message.index, hint)) return;
  if (progress.state === "replicate") progress.becomeProbe();
  sendAppend(core, role, message.from, true);
}

function resumeReplication(core: Core, progress: Progress, index: number): void {
  if (progress.state === "replicate") {
    progress.inflights.freeThrough(index);
  } else if (progress.state === "probe") {
    progress.becomeReplicate();
  } else if (progress.match + 1 >= core.log.firstIndex) {
    // Wherever it got the rest from, the log can serve it from here on; `next` takes the snapshot
    // that may still be on its way into account.
    progress.becomeProbe();
    progress.becomeReplicate();
  } else if (progress.match >= progress.pendingSnapshot) {
    // It has the snapshot, but our log begins later by now: only the next one leads on.
    progress.becomeProbe();
  }
}

function afterProgress(core: Core, role: LeaderState, from: ReplicaId, progress: Progress): void {
  if (maybeCommit(core, role)) {
    startEarlyReads(core, role);
    broadcastAppend(core, role);
  } else if (from !== core.id && progress.canBumpCommit(core.log.committed)) {
    sendAppend(core, role, from, true);
  }
  if (from === core.id) return;
  // The window has room again.
  while (sendAppend(core, role, from, false));
  if (from === role.transferTarget && progress.match === core.log.lastIndex) {
    sendTimeoutNow(core, from);
  }
}

function onHeartbeatResponse(
  core: Core,
  role: LeaderState,
  message: HeartbeatResponse,
): StepResult {
  const { from } = message;
  const progress = role.progress.get(from);
  if (progress === undefined) return ACCEPTED;
  progress.recentActive = true;
  progress.flowPaused = false;
  if (noteDamage(core, role, from, progress, message.damageId)) {
    broadcastAppend(core, role);
    return ACCEPTED;
  }
  const behind = progress.match < core.log.lastIndex || progress.state === "probe";
  if (behind || progress.damageId > 0) sendAppend(core, role, from, true);
  // A damaged replica may have forgotten that it follows another by now: its word proves nothing.
  if (message.readRound > 0 && progress.damageId === 0) {
    role.reads.acknowledge(from, message.readRound);
    answerConfirmed(core, role);
  }
  return ACCEPTED;
}

export function tickLeader(core: Core, role: LeaderState): void {
  role.heartbeatElapsedTicks += 1;
  core.electionElapsedTicks += 1;
  if (core.storageStalled) {
    // Its heartbeats would keep everybody from electing one that can write.
    core.emit({ kind: "storageStalled", term: core.term });
    becomeFollower(core, core.term, 0);
    return;
  }
  if (core.electionElapsedTicks >= core.settings.electionTimeoutTicks) {
    core.electionElapsedTicks = 0;
    if (core.settings.checkQuorum && !checkQuorum(core, role)) return;
    abortTransfer(core, role);
  }
  if (role.heartbeatElapsedTicks >= core.settings.heartbeatTicks) {
    role.heartbeatElapsedTicks = 0;
    broadcastHeartbeat(core, role);
  }
}

/** False when no quorum was heard for an election timeout, and this leader is none any more (thesis 6.2). */
function checkQuorum(core: Core, role: LeaderState): boolean {
  if (!isQuorumActive(core, role)) {
    core.emit({ kind: "quorumLost", term: core.term });
    becomeFollower(core, core.term, 0);
    return false;
  }
  for (const [id, progress] of role.progress) if (id !== core.id) progress.recentActive = false;
  return true;
}

/** Proposals wait until the target leads, or an election timeout has passed (thesis 3.10). */
export function startTransfer(core: Core, role: LeaderState, target: ReplicaId): StepResult {
  const progress = role.progress.get(target);
  if (progress === undefined || core.membership.isLearner(target)) {
    return core.refuse("transferLeadership", target, "notMember");
  }
  if (target === role.transferTarget) return ACCEPTED;
  abortTransfer(core, role);
  if (target === core.id) return ACCEPTED;
  core.electionElapsedTicks = 0;
  role.transferTarget = target;
  core.emit({ kind: "transferStarted", target });
  if (progress.match === core.log.lastIndex) sendTimeoutNow(core, target);
  else sendAppend(core, role, target, true);
  return ACCEPTED;
}

function abortTransfer(core: Core, role: LeaderState): void {
  const target = role.transferTarget;
  if (target === 0) return;
  role.transferTarget = 0;
  core.emit({ kind: "transferAborted", target });
}

function sendTimeoutNow(core: Core, to: ReplicaId): void {
  core.send({ kind: "timeoutNow", from: core.id, to, term: core.term });
  core.emit({ kind: "timeoutNowSent", target: to });
}

export function reportUnreachable(role: LeaderState, peer: ReplicaId): void {
  const progress = role.progress.get(peer);
  if (progress?.state === "replicate") progress.becomeProbe();
}

/** The follower's own answer, or a heartbeat's, starts the flow again. */
export function reportSnapshot(role: LeaderState, peer: ReplicaId, delivered: boolean): void {
  const progress = role.progress.get(peer);
  if (progress?.state !== "snapshot") return;
  if (!delivered) progress.pendingSnapshot = 0;
  progress.becomeProbe();
  progress.flowPaused = true;
}
