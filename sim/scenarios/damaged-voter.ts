import type { Violation } from "../checkers/index.ts";
import { among, Lab } from "./lab.ts";

/**
 * A14: two of three have an entry, one of them loses it with its disk's end, and the other is away. The
 * third has never seen it: it must not be elected by the one that forgot.
 */
export function damagedVoter(): readonly Violation[] {
  const lab = new Lab(3);
  lab.campaign(1);
  lab.deliver();
  lab.propose(1, "acknowledged");
  lab.deliver(among(1, 2));
  lab.lose();
  lab.crash(1);
  lab.crash(2);
  lab.storage(2).cut(lab.raft(3).lastIndex + 1);
  lab.storage(2).damaged = true;
  lab.restart(2);
  for (let round = 0; round < 3; round++) {
    lab.campaign(3);
    lab.deliver(among(2, 3));
  }
  lab.lose();
  // Whoever leads now without the entry makes another one of its index.
  if (lab.raft(3).role === "leader") {
    lab.propose(3, "another");
    lab.deliver(among(2, 3));
  }
  return lab.violations;
}

/**
 * The same replica, healed by its leader too early: an entry is committed with the help of one that has
 * forgotten for whom it voted, and the one it voted for leads.
 */
export function forgottenVote(): readonly Violation[] {
  const lab = new Lab(3);
  lab.campaign(1);
  lab.deliver();
  // 3 leads the next term by a vote of 2; nobody else hears of it yet.
  lab.campaign(3);
  lab.deliver((m) => m.kind.startsWith("requestVote") && m.to !== 1 && m.from !== 1);
  const late = lab.take(() => true);
  // 2 forgets its term and its vote, and follows 1 again.
  lab.crash(2);
  lab.storage(2).forgetVote();
  lab.storage(2).damaged = true;
  lab.restart(2);
  for (let i = 0; i < 4; i++) {
    lab.tick(1);
    lab.deliver(among(1, 2));
  }
  lab.propose(1, "by a forgetful one");
  lab.deliver(among(1, 2));
  // Now 3 is heard.
  for (const message of late) if (message.to === 2) lab.hand(message);
  const { lastIndex } = lab.raft(3);
  for (let i = 0; i < 4; i++) {
    lab.deliver();
    lab.tick(3);
  }
  if (lab.raft(3).commitIndex < lastIndex) {
    lab.violations.push({ rule: "I11", message: "3 leads, and nobody can follow it" });
  }
  return lab.violations;
}
