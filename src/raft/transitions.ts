/** From role to role (paper figure 4). Each begins with what the new role knows, and nothing of the old. */
import { assert } from "../base/index.ts";
import type { Core } from "./core.ts";
import type { ReplicaId } from "./entry.ts";
import { Progress } from "./progress.ts";
import { ReadIndexQueue } from "./read-index.ts";
import type { LeaderState } from "./role.ts";

/** A vote is forgotten only together with its term. */
function enterTerm(core: Core, term: number): void {
  assert(term >= core.term, "a term never goes back");
  if (term > core.term) {
    core.term = term;
    core.vote = 0;
  }
  core.leader = 0;
  core.resetElectionTimer();
}

export function becomeFollower(core: Core, term: number, leader: ReplicaId): void {
  enterTerm(core, term);
  core.leader = leader;
  core.role = { name: "follower" };
  core.emit({ kind: "becameFollower", term: core.term, leader });
}

/** Term and vote stay: nothing is risked by asking. */
export function becomePreCandidate(core: Core): void {
  assert(core.role.name !== "leader", "a leader does not campaign");
  core.leader = 0;
  core.role = { name: "preCandidate", votes: new Map() };
  core.emit({ kind: "becamePreCandidate", term: core.term });
}

export function becomeCandidate(core: Core): void {
  assert(core.role.name !== "leader", "a leader does not campaign");
  enterTerm(core, core.term + 1);
  core.vote = core.id;
  core.role = { name: "candidate", votes: new Map() };
  core.emit({ kind: "becameCandidate", term: core.term });
}

/**
 * A leader begins with an entry of its own, because only what is of its term may be committed by
 * counting, and everything before with it (paper 5.4.2, 8).
 */
export function becomeLeader(core: Core): LeaderState {
  assert(core.role.name === "candidate", "only a candidate becomes leader");
  enterTerm(core, core.term);
  core.leader = core.id;
  const { lastIndex } = core.log;
  const role: LeaderState = {
    name: "leader",
    progress: new Map(
      core.membership.all.map((id) => [id, new Progress(lastIndex + 1, core.settings)]),
    ),
    heartbeatElapsedTicks: 0,
    transferTarget: 0,
    // Its log may hold a change that is not applied; looking for it would cost more than waiting.
    pendingConfigurationIndex: lastIndex,
    uncommittedBytes: 0,
    reads: new ReadIndexQueue(),
  };
  const own = role.progress.get(core.id);
  if (own !== undefined) {
    own.match = lastIndex;
    own.becomeReplicate();
    own.recentActive = true;
  }
  core.role = role;
  appendNoop(core);
  core.emit({ kind: "becameLeader", term: core.term });
  return role;
}

/** An entry of the leader's own term that says nothing; its index. */
export function appendNoop(core: Core): number {
  const index = core.log.lastIndex + 1;
  core.appendOwn([{ kind: "noop", index, term: core.term, sizeBytes: 0, payload: undefined }]);
  return index;
}
