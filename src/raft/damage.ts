/**
 * A replica that may have lost what it acknowledged, or whom it voted for: it copies the log like any
 * other, but gives no vote, does not campaign, and its acknowledgements do not count, until its leader
 * has committed an entry without it that was proposed after the leader learned of the damage, and
 * until it holds that entry itself.
 *
 * Why that is enough: whatever was committed with its help is held by a majority that does not need
 * it, because that entry's majority holds everything before. And whomever it voted for in a later
 * term, and forgot, cannot win: the majority behind the entry was in the leader's term when it
 * acknowledged, and does not vote for a log without the entry.
 */
import type { Core } from "./core.ts";
import type { ReplicaId } from "./entry.ts";
import type { AppendEntries, AppendEntriesResponse } from "./message.ts";
import type { Progress } from "./progress.ts";
import type { LeaderState } from "./role.ts";
import { appendNoop } from "./transitions.ts";

/** Leader: true when `peer` told of a damage that was not known. Its match is worth nothing then. */
export function noteDamage(
  core: Core,
  role: LeaderState,
  peer: ReplicaId,
  progress: Progress,
  damageId: number,
): boolean {
  if (damageId === 0 || damageId === progress.damageId || peer === core.id) return false;
  const repairIndex = appendNoop(core);
  progress.becomeDamaged(damageId, repairIndex);
  if (role.transferTarget === peer) role.transferTarget = 0;
  core.emit({ kind: "peerDamaged", peer, repairIndex });
  return true;
}

/** Leader: an undamaged answer counts again only when it speaks of the entry that cures. */
export function noteCure(core: Core, progress: Progress, message: AppendEntriesResponse): void {
  if (progress.damageId === 0 || message.damageId !== 0 || message.index < progress.repairIndex) {
    return;
  }
  progress.becomeWhole();
  core.emit({ kind: "peerRepaired", peer: message.from });
}

/** Follower: its log agrees with the leader's up to `matched`, and what is committed is known. */
export function cureBy(core: Core, message: AppendEntries, matched: number): void {
  const { damage } = core;
  if (damage === undefined || message.damageId !== damage.id) return;
  const { repairIndex } = message;
  if (matched < repairIndex || core.log.committed < repairIndex) return;
  damage.cured = true;
  clearDamage(core);
}

/** Follower: the driver has filled the holes. */
export function noteRepaired(core: Core): void {
  if (core.damage === undefined) return;
  core.damage.repaired = true;
  clearDamage(core);
}

function clearDamage(core: Core): void {
  if (core.damage?.cured !== true || !core.damage.repaired) return;
  core.damage = undefined;
  core.emit({ kind: "damageCleared", term: core.term });
}
