/** What a follower does with its leader's log (paper 5.3, 7). */
import { ACCEPTED, type Core } from "./core.ts";
import { cureBy } from "./damage.ts";
import { Membership } from "./membership.ts";
import type { AppendEntries, Heartbeat, InstallSnapshot } from "./message.ts";
import type { StepResult } from "./result.ts";
import { switchConfiguration } from "./switch.ts";

/**
 * Appends what is missing, and cuts only what contradicts: an append that is old or came twice must
 * not take away what followed it. The answer speaks of this append, not of the end of our log, which
 * the leader may not share.
 */
export function acceptAppend(core: Core, message: AppendEntries): StepResult {
  const { log } = core;
  const { from, previousIndex, previousTerm, entries } = message;
  if (previousIndex < log.committed) {
    cureBy(core, message, log.committed);
    core.acknowledgeAppend(from, log.committed);
    return ACCEPTED;
  }
  if (!log.matches(previousIndex, previousTerm)) {
    rejectAppend(core, message);
    return ACCEPTED;
  }
  const conflict = log.findConflict(entries);
  if (conflict !== undefined) {
    if (conflict.index <= log.lastIndex) {
      core.emit({ kind: "logTruncated", fromIndex: conflict.index });
    }
    log.append(entries.slice(conflict.index - previousIndex - 1));
  }
  const matched = previousIndex + entries.length;
  log.commitTo(Math.min(message.commit, matched));
  cureBy(core, message, matched);
  core.acknowledgeAppend(from, matched);
  return ACCEPTED;
}

/** With a hint where our logs may still agree: the leader skips whole terms, not single entries. */
function rejectAppend(core: Core, message: AppendEntries): void {
  const start = Math.min(message.previousIndex, core.log.lastIndex);
  const hint = core.log.findConflictByTerm(start, message.previousTerm);
  core.sendAfterAppend({
    kind: "appendEntriesResponse",
    from: core.id,
    to: message.from,
    term: core.term,
    index: message.previousIndex,
    rejected: true,
    hintIndex: hint.index,
    hintTerm: hint.term,
    damageId: core.damageId,
  });
}

/** A heartbeat's commit lies within what we acknowledged, unless we have lost that. */
export function acceptHeartbeat(core: Core, message: Heartbeat): StepResult {
  if (core.damage === undefined) {
    if (message.commit > core.log.lastIndex) {
      return core.refuse(message.kind, message.from, "commitBeyondLog");
    }
    core.log.commitTo(message.commit);
  }
  core.send({
    kind: "heartbeatResponse",
    from: core.id,
    to: message.from,
    term: core.term,
    readRound: message.readRound,
    damageId: core.damageId,
  });
  return ACCEPTED;
}

/** Installs the snapshot, when it is news and this replica is part of it; else tells what is committed. */
export function acceptSnapshot(core: Core, message: InstallSnapshot): StepResult {
  const { index, term } = message.snapshot;
  if (restore(core, message)) {
    core.emit({ kind: "snapshotRestored", index, term });
    core.acknowledgeAppend(message.from, core.log.lastIndex);
  } else {
    core.emit({ kind: "snapshotIgnored", index, term });
    core.acknowledgeAppend(message.from, core.log.committed);
  }
  return ACCEPTED;
}

function restore(core: Core, { snapshot }: InstallSnapshot): boolean {
  const { log } = core;
  const { index, term, configuration } = snapshot;
  if (index <= log.committed) return false;
  // A marker that leaves a member out is not for it; one that waits to be added may be sent some that
  // are older than its own addition, one after another when its leader compacts faster than it copies.
  const isMember = core.membership.has(core.id);
  if (isMember && !new Membership(configuration).has(core.id)) return false;
  if (log.matches(index, term)) {
    // Everything up to there is here already; only that it is committed was not known.
    log.commitTo(index);
    return false;
  }
  log.restore(snapshot);
  switchConfiguration(core, index, configuration, new Set());
  return true;
}
