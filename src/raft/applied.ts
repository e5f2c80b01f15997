/** Entries were applied: what follows from that. */
import type { Core } from "./core.ts";
import type { Entry } from "./entry.ts";
import { proposeAsLeader } from "./proposals.ts";
import { bytesOf } from "./raft-log.ts";
import type { Snapshot } from "./storage.ts";

export function appliedEntries(core: Core, entries: readonly Entry[]): void {
  const last = entries.at(-1);
  if (last === undefined) return;
  const bytes = bytesOf(entries);
  appliedTo(core, last.index, bytes);
  if (core.role.name === "leader") {
    core.role.uncommittedBytes = Math.max(0, core.role.uncommittedBytes - bytes);
  }
}

export function appliedSnapshot(core: Core, snapshot: Snapshot): void {
  core.log.unstable.stableSnapshotTo(snapshot.index);
  appliedTo(core, snapshot.index, 0);
}

/**
 * A joint configuration that ends by itself is ended by the leader that applied it (thesis 4.3). If
 * that fails, because leadership is being transferred, the next applied entry tries again, here or at
 * the next leader.
 */
function appliedTo(core: Core, index: number, bytes: number): void {
  core.log.appliedTo(Math.max(index, core.log.applied), bytes);
  const { role } = core;
  if (role.name !== "leader" || !core.membership.configuration.autoLeave) return;
  if (core.log.applied < role.pendingConfigurationIndex) return;
  const { kind } = proposeAsLeader(core, role, [
    {
      kind: "configuration",
      index: 0,
      term: 0,
      sizeBytes: 0,
      payload: { version: 2, transition: "auto", operations: [] },
    },
  ]);
  if (kind === "appended") core.emit({ kind: "leavingJointConfiguration" });
}
