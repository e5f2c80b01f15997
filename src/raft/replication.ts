/** What a leader sends to its followers, and when what it knows of them commits (paper 5.3, 5.4.2). */
import { assert } from "../base/index.ts";
import type { Core } from "./core.ts";
import type { ReplicaId } from "./entry.ts";
import type { Progress } from "./progress.ts";
import { jointCommitted, jointVote } from "./quorum.ts";
import { bytesOf } from "./raft-log.ts";
import type { LeaderState } from "./role.ts";

/**
 * Sends what the follower needs next, when it may be sent: entries, a snapshot when they are gone, or
 * nothing but the commit index. True when something left.
 */
export function sendAppend(
  core: Core,
  role: LeaderState,
  to: ReplicaId,
  evenEmpty: boolean,
): boolean {
  const progress = role.progress.get(to);
  assert(progress !== undefined, "appends go to members");
  if (progress.paused) return false;
  const previousIndex = progress.next - 1;
  const previousTerm = core.log.term(previousIndex);
  if (previousTerm === undefined) return sendSnapshot(core, progress, to);

  // With a full window an empty append still goes, now and then: if everything in flight was lost,
  // its answer is what empties the window.
  const entries =
    progress.state === "replicate" && progress.inflights.full
      ? []
      : core.log.entriesFrom(progress.next, core.settings.messageBytesMax);
  if (entries === "unavailable") return false;
  if (entries === "compacted") return sendSnapshot(core, progress, to);
  if (entries.length === 0 && !evenEmpty) return false;

  core.send({
    kind: "appendEntries",
    from: core.id,
    to,
    term: core.term,
    previousIndex,
    previousTerm,
    entries,
    commit: core.log.committed,
    damageId: progress.damageId,
    repairIndex: progress.repairIndex,
  });
  progress.sentEntries(entries.length, bytesOf(entries));
  progress.sentCommit(core.log.committed);
  return true;
}

/** False when the follower is silent, or there is no snapshot now; a heartbeat's answer asks again. */
function sendSnapshot(core: Core, progress: Progress, to: ReplicaId): boolean {
  if (!progress.recentActive) return false;
  const snapshot = core.log.snapshot();
  if (snapshot === undefined) return false;
  assert(snapshot.index >= core.log.firstIndex - 1, "a snapshot reaches the log");
  progress.becomeSnapshot(snapshot.index);
  core.send({ kind: "installSnapshot", from: core.id, to, term: core.term, snapshot });
  core.emit({ kind: "snapshotSent", to, index: snapshot.index });
  return true;
}

export function peersOf(core: Core, role: LeaderState): ReplicaId[] {
  return [...role.progress.keys()].filter((id) => id !== core.id);
}

export function broadcastAppend(core: Core, role: LeaderState): void {
  for (const id of role.progress.keys()) if (id !== core.id) sendAppend(core, role, id, true);
}

/** Heartbeats carry the round of reads that waits, if any does. */
export function broadcastHeartbeat(core: Core, role: LeaderState): void {
  const readRound = role.reads.beginRound();
  for (const id of peersOf(core, role)) {
    const progress = role.progress.get(id);
    assert(progress !== undefined, "heartbeats go to members");
    // Beyond what it matches, the follower's log may differ from what is committed.
    const commit = Math.min(progress.match, core.log.committed);
    core.send({ kind: "heartbeat", from: core.id, to: id, term: core.term, commit, readRound });
    progress.sentCommit(commit);
  }
}

/**
 * Commits what a quorum holds, if that is of this term; everything before it is committed with it
 * (paper 5.4.2 and figure 8). True when the commit index moved.
 */
export function maybeCommit(core: Core, role: LeaderState): boolean {
  const { incoming, outgoing } = core.membership;
  const index = jointCommitted(incoming, outgoing, (id) => role.progress.get(id)?.acknowledged);
  if (index <= core.log.committed || !core.log.matches(index, core.term)) return false;
  core.log.commitTo(index);
  return true;
}

/** Whether a quorum of voters was heard since the last time this was asked (thesis 6.2). */
export function isQuorumActive(core: Core, role: LeaderState): boolean {
  const { incoming, outgoing } = core.membership;
  const active = (id: ReplicaId): boolean => {
    const progress = role.progress.get(id);
    return progress !== undefined && progress.recentActive && progress.damageId === 0;
  };
  return jointVote(incoming, outgoing, active) === "won";
}
