import type { Configuration } from "../base/index.ts";
import type { Core } from "./core.ts";
import type { ReplicaId } from "./entry.ts";
import { Membership } from "./membership.ts";
import { Progress } from "./progress.ts";
import { answerConfirmed } from "./reads.ts";
import { broadcastAppend, maybeCommit, peersOf, sendAppend } from "./replication.ts";
import type { LeaderState } from "./role.ts";
import { becomeFollower } from "./transitions.ts";

/** A configuration takes effect: its entry is applied, or the snapshot that holds it is accepted. */
export function switchConfiguration(
  core: Core,
  index: number,
  configuration: Configuration,
  fresh: ReadonlySet<ReplicaId>,
): void {
  core.membership = new Membership(configuration);
  core.configurationIndex = index;
  core.emit({ kind: "switchedConfiguration", configuration });
  if (core.role.name === "leader") switchLeader(core, core.role, fresh);
}

function switchLeader(core: Core, role: LeaderState, fresh: ReadonlySet<ReplicaId>): void {
  role.progress = new Map(
    core.membership.all.map((id) => {
      const known = fresh.has(id) ? undefined : role.progress.get(id);
      return [id, known ?? newcomer(core)];
    }),
  );
  if (!core.membership.isVoter(core.id)) {
    // Until it is told to stop it still serves those who stay (thesis 4.2.2).
    if (core.settings.stepDownOnRemoval) becomeFollower(core, core.term, 0);
    return;
  }
  if (maybeCommit(core, role)) {
    broadcastAppend(core, role);
  } else {
    for (const id of peersOf(core, role)) sendAppend(core, role, id, false);
  }
  if (!core.membership.isVoter(role.transferTarget)) role.transferTarget = 0;
  // Another quorum may have confirmed already what the old one had not.
  answerConfirmed(core, role);
}

/** It counts as active, so that a leader does not lose its quorum by gaining a member. */
function newcomer(core: Core): Progress {
  const progress = new Progress(Math.max(core.log.lastIndex, 1), core.settings);
  progress.recentActive = true;
  return progress;
}
