import type { Violation } from "../checkers/index.ts";
import { Lab, memberOf, type MessageFilter } from "./lab.ts";

/**
 * C11, D12: two changes of members are committed, and 3 has yet to apply them. Were it to campaign by
 * the configuration that it knows, its majority need not meet one of the new members.
 */
export function slowApplier(): readonly Violation[] {
  const lab = new Lab(3, { asynchronousStorage: true, preVote: false, checkQuorum: false });
  lab.campaign(1);
  lab.deliver();
  lab.heldApplying.add(3);
  for (const id of [4, 5]) {
    lab.add(id);
    lab.change(1, [{ kind: "addVoter", member: memberOf(id) }]);
    for (let i = 0; i < 3; i++) {
      lab.deliver();
      lab.tick(1);
    }
    lab.deliver();
  }
  if (lab.raft(1).configuration.voters.length !== 5) throw new Error("five vote");
  const votes = (...ids: readonly number[]): MessageFilter => {
    return (m) => m.kind.startsWith("requestVote") && ids.includes(m.from) && ids.includes(m.to);
  };
  lab.campaign(3);
  lab.deliver(votes(2, 3));
  lab.lose();
  lab.campaign(4);
  lab.deliver(votes(1, 4, 5));
  if (lab.raft(4).role !== "leader") throw new Error("the new members elect one of theirs");
  return lab.violations;
}
