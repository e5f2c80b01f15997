/** What gets into a leader's log, and what does not. */
import { changeConfiguration, isJoint, leavesJoint } from "./configuration.ts";
import type { Core } from "./core.ts";
import type { ConfigurationChange, ConfigurationEntry, Entry, NormalEntry } from "./entry.ts";
import type { RefusalReason } from "./event.ts";
import { bytesOf } from "./raft-log.ts";
import { broadcastAppend } from "./replication.ts";
import type { ProposeResult } from "./result.ts";
import type { LeaderState } from "./role.ts";

/** Before they have a place: index and term are 0. */
export type ProposedEntry = NormalEntry | ConfigurationEntry;

/**
 * Appends all of `proposed`, or nothing. A configuration change that may not be is replaced by an
 * entry that says nothing, and the result says why.
 */
export function proposeAsLeader(
  core: Core,
  role: LeaderState,
  proposed: readonly ProposedEntry[],
): ProposeResult {
  // A leader that was removed serves those who stay, but takes nothing new.
  if (!core.membership.has(core.id)) return { kind: "refused", reason: "notMember" };
  if (role.transferTarget !== 0) return { kind: "refused", reason: "transferring" };
  const bytes = bytesOf(proposed);
  // Anything fits into an empty tail, and what weighs nothing always fits: no leader blocks itself.
  const waits = role.uncommittedBytes;
  if (waits > 0 && bytes > 0 && waits + bytes > core.settings.uncommittedBytesMax) {
    return { kind: "refused", reason: "uncommittedLimit" };
  }
  const index = core.log.lastIndex + 1;
  let refusal: RefusalReason | undefined;
  const entries = proposed.map((draft, at): Entry => {
    const place = { index: index + at, term: core.term };
    if (draft.kind === "normal") {
      const { payload, sizeBytes } = draft;
      return { kind: "normal", index: place.index, term: place.term, payload, sizeBytes };
    }
    const checked = checkChange(core, role, draft.payload);
    if (typeof checked === "string") {
      refusal = checked;
      return { kind: "noop", ...place, sizeBytes: 0, payload: undefined };
    }
    role.pendingConfigurationIndex = place.index;
    return { ...draft, ...place, payload: checked };
  });
  role.uncommittedBytes += bytesOf(entries);
  core.appendOwn(entries);
  broadcastAppend(core, role);
  if (refusal !== undefined) return { kind: "refused", reason: refusal };
  return { kind: "appended", index, term: core.term };
}

/**
 * One change at a time, and only on a configuration that is applied here. That also covers a change
 * before the first commit of the term, which could count by an outdated configuration (Ongaro's
 * correction of 2015): a new leader's whole log counts as pending. Its result is known by then.
 */
function checkChange(
  core: Core,
  role: LeaderState,
  change: ConfigurationChange,
): ConfigurationChange | RefusalReason {
  if (!core.settings.validateConfigurationChanges) return change;
  const { configuration } = core.membership;
  if (role.pendingConfigurationIndex > core.log.applied) return "unappliedChange";
  if (isJoint(configuration) && !leavesJoint(change)) return "alreadyJoint";
  if (!isJoint(configuration) && change.operations.length === 0) return "notJoint";
  const result = changeConfiguration(configuration, change);
  if (result.kind === "refused") return "badConfiguration";
  return { ...change, configuration: result.configuration };
}
