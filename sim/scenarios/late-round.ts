import type { Violation } from "../checkers/index.ts";
import { lead } from "./late-acknowledgement.ts";
import { among, Lab } from "./lab.ts";

/**
 * F2: a read comes while the answers to an earlier round are under way, and meanwhile another leads and
 * commits. Answers to the earlier round say nothing of the later read.
 */
export function lateRound(): readonly Violation[] {
  const lab = new Lab(3);
  lab.campaign(1);
  lab.deliver();
  lab.read(1);
  lab.deliver(({ kind, to }) => kind === "heartbeat" && to === 2);
  const late = lab.take(({ kind, from }) => kind === "heartbeatResponse" && from === 2);
  lab.lose();
  // 2 and 3 go on without 1, which does not know.
  lead(lab, 3, among(2, 3));
  lab.propose(3, "new");
  lab.deliver(among(2, 3));
  const committed = lab.raft(3).commitIndex;
  const stale = lab.read(1);
  lab.lose();
  for (const message of late) lab.hand(message);
  const answered = lab.reads.find(({ id, readId }) => id === 1 && readId === stale);
  if (answered !== undefined && answered.index < committed) {
    const message = `a read was answered with ${answered.index} after ${committed} was committed`;
    lab.violations.push({ rule: "I9", message });
  }
  return lab.violations;
}
