import type { Violation } from "../checkers/index.ts";
import { Lab } from "./lab.ts";

/**
 * E4, B20: a snapshot that was under way for long, or came twice, arrives at a follower that has gone
 * on since and compacted its log beyond it. Nothing may go back.
 */
export function oldSnapshot(): readonly Violation[] {
  const lab = new Lab(3);
  lab.campaign(1);
  lab.deliver();
  const snapshotOf = (): { readonly index: number; readonly term: number } => {
    const { commitIndex: index, configuration } = lab.raft(2);
    const snapshot = { index, term: lab.storage(2).term(index) ?? 0, configuration, data: [] };
    return snapshot;
  };
  const { configuration, term } = lab.raft(1);
  const old = { ...snapshotOf(), configuration, data: [] };
  for (let i = 0; i < 6; i++) lab.propose(1, `after it ${i}`);
  lab.deliver();
  lab.tick(1);
  lab.deliver();
  const { commitIndex } = lab.raft(2);
  lab.storage(2).compact({ ...snapshotOf(), configuration, data: [] }, commitIndex);
  lab.hand({ kind: "installSnapshot", from: 1, to: 2, term, snapshot: old });
  if (lab.raft(2).commitIndex < commitIndex) {
    lab.violations.push({ rule: "I6", message: "an old snapshot took back what was committed" });
  }
  lab.propose(1, "and on");
  lab.deliver();
  if (lab.raft(2).lastIndex !== lab.raft(1).lastIndex) {
    lab.violations.push({ rule: "I11", message: "an old snapshot stopped a follower" });
  }
  return lab.violations;
}
