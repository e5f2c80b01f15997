import type { Violation } from "../checkers/index.ts";
import { among, ENTRY_BYTES, Lab } from "./lab.ts";

/**
 * Figure 8 of the Raft paper: an entry of an old term reaches a majority, and is overwritten all the
 * same. Whoever counts copies of it as a commit, instead of waiting for one entry of its own term, has
 * promised what goes away. Five replicas, no votes asked for in advance, one entry a message.
 */
export function figure8(): readonly Violation[] {
  const lab = new Lab(5, { messageBytesMax: ENTRY_BYTES / 2 });
  // (a) 1 leads, and its second entry reaches only 2.
  lab.campaign(1);
  lab.deliver();
  lab.propose(1, "old");
  lab.deliver(among(1, 2));
  lab.lose();
  // (b) 1 dies; 5 leads by the votes of 3 and 4, and its first entry reaches nobody.
  lab.crash(1);
  lab.campaign(5);
  lab.deliver(({ kind }) => kind.startsWith("requestVote"));
  lab.lose();
  // (c) 5 dies; 1 leads again, and brings the old entry to 3, but not yet its own first one.
  lab.crash(5);
  lab.restart(1);
  // Its first campaign only teaches it the term.
  lab.campaign(1);
  lab.deliver(({ kind }) => kind.startsWith("requestVote"));
  lab.lose();
  lab.campaign(1);
  lab.deliver(({ kind }) => kind.startsWith("requestVote"));
  lab.deliver(among(1, 2));
  for (let old = false; !old;) {
    const [next, ...others] = lab.take(among(1, 3));
    if (next === undefined) throw new Error("the old entry does not come to 3");
    lab.messages.push(...others);
    lab.hand(next);
    old = lab.raft(3).lastIndex === lab.raft(1).lastIndex - 1;
  }
  lab.deliver((message) => message.kind === "appendEntriesResponse" && message.to === 1);
  lab.lose();
  // (d) 1 dies; 5 has the later entry, leads by the votes of 3 and 4, and overwrites.
  lab.crash(1);
  lab.restart(5);
  for (let round = 0; round < 2; round++) {
    lab.campaign(5);
    lab.deliver(among(3, 4, 5));
  }
  // What is committed now is what stays.
  lab.restart(1);
  lab.propose(5, "new");
  lab.deliver();
  lab.tick(5, 2);
  lab.deliver();
  return lab.violations;
}
