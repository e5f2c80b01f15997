/** A pre-candidate asks whether a campaign could succeed, before it disturbs anybody (thesis 9.6). */
import { CHALLENGER } from "./challenger.ts";
import { ACCEPTED } from "./core.ts";
import { campaign, poll } from "./election.ts";
import { accepted, type Handlers } from "./handlers.ts";
import type { PreCandidateState } from "./role.ts";
import { becomeFollower } from "./transitions.ts";

export const PRE_CANDIDATE: Handlers<PreCandidateState> = {
  ...CHALLENGER,
  requestVoteResponse: accepted,
  requestPreVoteResponse: (core, role, message) => {
    // A grant speaks of the term that would come; one from further ahead answers another question.
    if (!message.rejected && message.term !== core.term + 1) return ACCEPTED;
    const result = poll(core, role.votes, message.from, !message.rejected);
    if (result === "won") campaign(core, "vote");
    else if (result === "lost") becomeFollower(core, core.term, 0);
    return ACCEPTED;
  },
};
