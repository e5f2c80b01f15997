/** A candidate has voted for itself and counts the others (paper 5.2). */
import { CHALLENGER } from "./challenger.ts";
import { ACCEPTED } from "./core.ts";
import { poll } from "./election.ts";
import { accepted, type Handlers } from "./handlers.ts";
import { broadcastAppend } from "./replication.ts";
import type { CandidateState } from "./role.ts";
import { becomeFollower, becomeLeader } from "./transitions.ts";

export const CANDIDATE: Handlers<CandidateState> = {
  ...CHALLENGER,
  // A late answer to the question before this one is no vote.
  requestPreVoteResponse: accepted,
  requestVoteResponse: (core, role, message) => {
    const result = poll(core, role.votes, message.from, !message.rejected);
    if (result === "won") broadcastAppend(core, becomeLeader(core));
    else if (result === "lost") becomeFollower(core, core.term, 0);
    return ACCEPTED;
  },
};
