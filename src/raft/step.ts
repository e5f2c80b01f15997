/** A message meets a replica: first its term decides, then the replica's role (paper 5.1, figure 2). */
import { CANDIDATE } from "./candidate.ts";
import { ACCEPTED, type Core } from "./core.ts";
import { isLeaseHeld, rejectVote } from "./election.ts";
import { FOLLOWER } from "./follower.ts";
import type { Handlers } from "./handlers.ts";
import { LEADER } from "./leader.ts";
import type { Message } from "./message.ts";
import { PRE_CANDIDATE } from "./pre-candidate.ts";
import type { StepResult } from "./result.ts";
import type { RoleState } from "./role.ts";
import { becomeFollower } from "./transitions.ts";

const ROLES: {
  readonly [R in RoleState["name"]]: Handlers<Extract<RoleState, { name: R }>>;
} = {
  follower: FOLLOWER,
  preCandidate: PRE_CANDIDATE,
  candidate: CANDIDATE,
  leader: LEADER,
};

type Handler = (core: Core, role: RoleState, message: Message) => StepResult;

export function stepMessage(core: Core, message: Message): StepResult {
  // Term 0: a wish that was handed on, and speaks for no term.
  if (message.term > core.term) {
    if (!acceptNewerTerm(core, message)) return ACCEPTED;
  } else if (message.term > 0 && message.term < core.term) {
    answerOlderTerm(core, message);
    return ACCEPTED;
  }
  const handle = ROLES[core.role.name][message.kind] as Handler;
  return handle(core, core.role, message);
}

/** Whoever hears of a newer term joins it (paper 5.1), but for questions. False: no answer at all. */
function acceptNewerTerm(core: Core, message: Message): boolean {
  const { kind, term, from } = message;
  if (kind === "requestVote" || kind === "requestPreVote") {
    if (isLeaseHeld(core, message)) return false;
    // A pre-vote speaks of a term that may never come.
    if (kind === "requestPreVote") return true;
  }
  // A granted pre-vote carries the term that was asked for. A refused one carries the voter's own.
  if (kind === "requestPreVoteResponse" && !message.rejected) return true;
  const leads = kind === "appendEntries" || kind === "heartbeat" || kind === "installSnapshot";
  becomeFollower(core, term, leads ? from : 0);
  return true;
}

/**
 * Old messages are ignored, but for two senders who would otherwise stay stuck: a leader of an older
 * term, where votes alone no longer spread terms; and a pre-candidate that lags behind.
 */
function answerOlderTerm(core: Core, message: Message): void {
  const { checkQuorum, preVote } = core.settings;
  core.emit({ kind: "staleTerm", from: message.from, term: message.term });
  if (message.kind === "requestPreVote") {
    rejectVote(core, message);
  } else if (
    (checkQuorum || preVote) &&
    (message.kind === "heartbeat" || message.kind === "appendEntries")
  ) {
    core.acknowledgeAppend(message.from, 0);
  }
}
