import type { Violation } from "../checkers/index.ts";
import { Lab, memberOf } from "./lab.ts";

/**
 * D10: the leader enters a joint configuration, which only the newcomers have applied, and dies. The
 * newcomers cannot elect anybody without a majority of the old voters, who still elect by themselves.
 */
export function jointLeaders(): readonly Violation[] {
  const lab = new Lab(3);
  lab.campaign(1);
  lab.deliver();
  for (const id of [4, 5]) {
    lab.add(id);
    lab.change(1, [{ kind: "addLearner", member: memberOf(id) }]);
    settle(lab);
  }
  // 1, 4 and 5 take the place of 1, 2 and 3; that it is committed only the newcomers hear.
  lab.change(1, [
    { kind: "addVoter", member: memberOf(4) },
    { kind: "addVoter", member: memberOf(5) },
    { kind: "remove", member: memberOf(2) },
    { kind: "remove", member: memberOf(3) },
  ]);
  const index = lab.raft(1).lastIndex;
  lab.deliver((m) => m.kind === "appendEntries" && m.commit < index);
  lab.deliver((m) => m.kind === "appendEntriesResponse" && m.to === 1);
  lab.deliver((m) => m.to === 4 || m.to === 5);
  lab.crash(1);
  lab.lose();
  lab.campaign(4);
  lab.deliver((m) => m.kind.startsWith("requestVote") && m.from > 3 && m.to > 3);
  lab.lose();
  lab.campaign(2);
  lab.deliver((m) => m.kind.startsWith("requestVote") && m.from < 4 && m.to < 4);
  return lab.violations;
}

function settle(lab: Lab): void {
  for (let i = 0; i < 4; i++) {
    lab.deliver();
    lab.tick(1);
  }
  lab.deliver();
}
