import type { Observer } from "../base/index.ts";
import type { RaftEvent } from "../raft/index.ts";

/** Events of the core that an operator wants to read, and what they are called in the log. */
const TOLD: ReadonlyMap<RaftEvent["kind"], string> = new Map([
  ["becameLeader", "replica.became-leader"],
  ["becameFollower", "replica.became-follower"],
  ["quorumLost", "replica.quorum-lost"],
  ["storageStalled", "replica.storage-stalled"],
  ["snapshotRestored", "replica.snapshot-restored"],
  ["damageCleared", "replica.damage-cleared"],
]);

export function tellOperator(observer: Observer, event: RaftEvent): void {
  const name = TOLD.get(event.kind);
  if (name !== undefined) observer.log("info", name, "term" in event ? { term: event.term } : {});
}
