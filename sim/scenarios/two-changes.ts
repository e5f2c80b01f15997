import type { Violation } from "../checkers/index.ts";
import { Lab, memberOf } from "./lab.ts";

/**
 * D2: a leader is asked for a second change of members while the first is in its log and not applied.
 * Each alone keeps majorities that meet; both at once need not.
 */
export function twoChanges(): readonly Violation[] {
  const lab = new Lab(5);
  lab.campaign(1);
  lab.deliver();
  lab.change(1, [{ kind: "remove", member: memberOf(5) }]);
  lab.change(1, [{ kind: "remove", member: memberOf(4) }]);
  const raft = lab.raft(1);
  const entries = raft.entries(raft.appliedIndex + 1, raft.lastIndex + 1, 10_000);
  if (typeof entries === "string") throw new Error("what is not applied is in memory");
  const changes = entries.filter(({ kind }) => kind === "configuration").length;
  if (changes !== 1) {
    const message = `${changes} changes are in the log of 1, and none is applied`;
    lab.violations.push({ rule: "I8", message });
  }
  lab.deliver();
  return lab.violations;
}
