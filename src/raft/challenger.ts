/** What pre-candidates and candidates share: whoever leads this term is followed. */
import { acceptAppend, acceptHeartbeat, acceptSnapshot } from "./accept.ts";
import { accepted, type Handlers, preVote, refusedAs, vote } from "./handlers.ts";
import type { RoleState } from "./role.ts";
import { becomeFollower } from "./transitions.ts";

export const CHALLENGER: Omit<
  Handlers<RoleState>,
  "requestVoteResponse" | "requestPreVoteResponse"
> = {
  requestVote: vote,
  requestPreVote: preVote,
  appendEntriesResponse: accepted,
  heartbeatResponse: accepted,
  appendEntries: (core, _role, message) => {
    becomeFollower(core, message.term, message.from);
    return acceptAppend(core, message);
  },
  heartbeat: (core, _role, message) => {
    becomeFollower(core, message.term, message.from);
    return acceptHeartbeat(core, message);
  },
  installSnapshot: (core, _role, message) => {
    becomeFollower(core, message.term, message.from);
    return acceptSnapshot(core, message);
  },
  // It campaigns already.
  timeoutNow: accepted,
  propose: refusedAs("noLeader"),
  readIndex: refusedAs("noLeader"),
  readIndexResponse: accepted,
  transferLeadership: refusedAs("noLeader"),
};
