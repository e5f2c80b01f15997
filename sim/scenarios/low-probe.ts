import type { Violation } from "../checkers/index.ts";
import { lead } from "./late-acknowledgement.ts";
import { among, Lab } from "./lab.ts";

/**
 * B3, B4: a follower has a tail that its leader does not share, and gets an append that ends before
 * it. What it may commit, and acknowledge, ends with the append, not with its log.
 */
export function lowProbe(): readonly Violation[] {
  const lab = new Lab(3);
  lab.campaign(1);
  lab.deliver();
  // An entry that all have, so that the tail of 2 begins after what is common.
  lab.propose(1, "common");
  lab.deliver(({ kind }) => kind === "appendEntries");
  lab.lose();
  for (let i = 0; i < 4; i++) lab.propose(1, `only at 2: ${i}`);
  lab.deliver(({ kind, to }) => kind === "appendEntries" && to === 2);
  lab.lose();
  lab.crash(1);
  // 3 cannot win against the longer log of 2: it leads by a vote of 1, which lost its tail.
  const common = lab.raft(3).lastIndex;
  lab.storage(1).cut(common + 1);
  lab.restart(1);
  lead(lab, 3, among(1, 3));
  for (let i = 0; i < 4; i++) lab.propose(3, `agreed ${i}`);
  lab.deliver(among(1, 3));
  const { term } = lab.raft(3);
  const entries = lab.raft(3).entries(common, common + 1, 1_000);
  if (typeof entries === "string") throw new Error("the common entry is in memory");
  lab.lose();
  lab.hand({
    kind: "appendEntries",
    from: 3,
    to: 2,
    term,
    previousIndex: common - 1,
    previousTerm: lab.storage(2).term(common - 1) ?? 0,
    entries,
    commit: lab.raft(3).commitIndex,
    damageId: 0,
    repairIndex: 0,
  });
  return lab.violations;
}
