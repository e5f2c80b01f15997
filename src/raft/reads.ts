/** Reads at the leader (thesis 6.4): the commit index now, once it is proved that this leader still leads. */
import { limits } from "../base/index.ts";
import { ACCEPTED, type Core } from "./core.ts";
import type { ReadRequest } from "./read-index.ts";
import { broadcastHeartbeat } from "./replication.ts";
import type { StepResult } from "./result.ts";
import type { LeaderState } from "./role.ts";

export function requestRead(core: Core, role: LeaderState, request: ReadRequest): StepResult {
  if (role.reads.count >= limits.raftReadsMax) {
    return core.refuse("readIndex", request.from, "readsLimit");
  }
  // Until then its commit index may be older than what the leader before it told others.
  if (!core.committedInTerm) role.reads.addEarly(request);
  else startRead(core, role, request);
  return ACCEPTED;
}

function startRead(core: Core, role: LeaderState, request: ReadRequest): void {
  if (core.settings.reads === "lease") {
    answerRead(core, request, core.log.committed);
    return;
  }
  role.reads.add(request, core.log.committed);
  if (core.membership.isSole && core.membership.isVoter(core.id)) {
    role.reads.beginRound();
    answerConfirmed(core, role);
  } else if (role.reads.wantsRound) {
    broadcastHeartbeat(core, role);
  }
}

/** After the first commit of the term. */
export function startEarlyReads(core: Core, role: LeaderState): void {
  if (!core.committedInTerm) return;
  for (const request of role.reads.takeEarly()) startRead(core, role, request);
}

/** Answers what a quorum has confirmed; those who came meanwhile get the next round. */
export function answerConfirmed(core: Core, role: LeaderState): void {
  for (const read of role.reads.takeConfirmed(core.membership, core.id)) {
    answerRead(core, read, read.index);
  }
  if (role.reads.wantsRound) broadcastHeartbeat(core, role);
}

function answerRead(core: Core, { readId, from }: ReadRequest, index: number): void {
  if (from === core.id) {
    core.readStates.push({ readId, index });
  } else {
    core.send({
      kind: "readIndexResponse",
      from: core.id,
      to: from,
      term: core.term,
      readId,
      index,
    });
  }
}
