/** Campaigns and votes (paper 5.2, 5.4.1; thesis 3.10, 4.2.3, 9.6). */
import { ACCEPTED, type Core } from "./core.ts";
import type { ReplicaId } from "./entry.ts";
import type { RequestPreVote, RequestVote } from "./message.ts";
import { jointVote, type VoteResult } from "./quorum.ts";
import type { StepResult } from "./result.ts";
import type { Votes } from "./role.ts";
import { becomeCandidate, becomePreCandidate } from "./transitions.ts";

export type CampaignKind = "preVote" | "vote" | "transfer";

/** Campaigns, unless this replica leads, may not lead, or has yet to apply who may. */
export function maybeCampaign(core: Core, kind: CampaignKind): void {
  if (core.role.name === "leader") return;
  if (!core.promotable) {
    core.emit({ kind: "cannotCampaign", reason: "unpromotable" });
  } else if (hasUnappliedChange(core)) {
    core.emit({ kind: "cannotCampaign", reason: "unappliedChange" });
  } else {
    campaign(core, kind);
  }
}

/**
 * A committed change of the configuration that is not applied here would be ignored in counting
 * votes. Entries that storage must fetch first may hold one.
 */
function hasUnappliedChange(core: Core): boolean {
  const { log } = core;
  for (let low = log.applied + 1; low <= log.committed;) {
    const page = log.slice(low, log.committed + 1, core.settings.committedBytesMax);
    if (typeof page === "string" || page.length === 0) return true;
    const waits = page.some(
      ({ kind, index }) => kind === "configuration" && index > core.configurationIndex,
    );
    if (waits) return true;
    low += page.length;
  }
  return false;
}

export function campaign(core: Core, kind: CampaignKind): void {
  if (kind === "preVote") becomePreCandidate(core);
  else becomeCandidate(core);
  const asked = core.membership.voters;
  const { index: lastIndex, term: lastTerm } = core.log.last();
  const { id: from, term } = core;
  for (const to of asked) {
    if (kind === "preVote") {
      const next = term + 1;
      if (to !== from) {
        core.send({ kind: "requestPreVote", from, to, term: next, lastIndex, lastTerm });
      } else {
        core.sendAfterAppend(answer("requestPreVoteResponse", from, to, next, false));
      }
    } else if (to !== from) {
      const transfer = kind === "transfer";
      core.send({ kind: "requestVote", from, to, term, lastIndex, lastTerm, transfer });
    } else {
      // Its own vote counts when it is durable, as anybody's.
      core.sendAfterAppend(answer("requestVoteResponse", from, to, term, false));
    }
  }
}

function answer<K extends "requestVoteResponse" | "requestPreVoteResponse">(
  kind: K,
  from: ReplicaId,
  to: ReplicaId,
  term: number,
  rejected: boolean,
): { kind: K; from: ReplicaId; to: ReplicaId; term: number; rejected: boolean } {
  return { kind, from, to, term, rejected };
}

/** A refusal carries our term, so that a candidate which lags behind learns it. */
export function rejectVote(core: Core, message: RequestVote | RequestPreVote): void {
  const kind = `${message.kind}Response` as const;
  core.sendAfterAppend(answer(kind, core.id, message.from, core.term, true));
}

/** Also a learner votes: its configuration may be older than the candidate's (thesis 4.2.2). */
export function answerVote(core: Core, message: RequestVote): StepResult {
  const free = core.vote === message.from || (core.vote === 0 && core.leader === 0);
  if (free && isElectable(core, message)) {
    core.sendAfterAppend(answer("requestVoteResponse", core.id, message.from, message.term, false));
    core.electionElapsedTicks = 0;
    core.vote = message.from;
  } else {
    rejectVote(core, message);
  }
  return ACCEPTED;
}

/** A grant is in the candidate's future term, and binds nobody: no vote, no timer (thesis 9.6). */
export function answerPreVote(core: Core, message: RequestPreVote): StepResult {
  const free =
    message.term > core.term ||
    core.vote === message.from ||
    (core.vote === 0 && core.leader === 0);
  if (free && isElectable(core, message)) {
    const grant = answer("requestPreVoteResponse", core.id, message.from, message.term, false);
    core.sendAfterAppend(grant);
  } else {
    rejectVote(core, message);
  }
  return ACCEPTED;
}

function isElectable(core: Core, message: RequestVote | RequestPreVote): boolean {
  if (core.damage !== undefined) return false;
  return core.log.isUpToDate({ index: message.lastIndex, term: message.lastTerm });
}

/**
 * Whoever hears a leader does not help to replace it, so that a replica that was removed, or cut off,
 * cannot disturb the others (thesis 4.2.3); unless the leader itself asked for it.
 */
export function isLeaseHeld(core: Core, message: RequestVote | RequestPreVote): boolean {
  if (message.kind === "requestVote" && message.transfer) return false;
  return (
    core.settings.checkQuorum &&
    core.leader !== 0 &&
    core.electionElapsedTicks < core.settings.electionTimeoutTicks
  );
}

/** The first answer of each voter counts. */
export function poll(core: Core, votes: Votes, from: ReplicaId, granted: boolean): VoteResult {
  if (!votes.has(from)) votes.set(from, granted);
  const { incoming, outgoing } = core.membership;
  return jointVote(incoming, outgoing, (id) => votes.get(id));
}
