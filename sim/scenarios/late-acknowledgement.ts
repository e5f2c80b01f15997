import type { Violation } from "../checkers/index.ts";
import { among, Lab } from "./lab.ts";

/**
 * B6: an acknowledgement of an earlier leadership arrives in a later one of the same leader. Its index
 * means other entries by now; counted, it makes a majority of two.
 */
export function lateAcknowledgement(): readonly Violation[] {
  const lab = new Lab(5);
  lab.campaign(1);
  lab.deliver();
  // 2 gets a long tail, and its answer is under way for a long time.
  for (let i = 0; i < 6; i++) lab.propose(1, `lost ${i}`);
  lab.deliver(({ kind, to }) => kind === "appendEntries" && to === 2);
  const late = lab.take(({ kind, from }) => kind === "appendEntriesResponse" && from === 2);
  lab.lose();
  // Others agree on another leader, and all but 2 on what follows.
  lead(lab, 3, among(3, 4, 5));
  lab.deliver(among(1, 3, 4, 5));
  lab.lose();
  // 1 leads again; what it proposes reaches 4 only.
  lead(lab, 1, among(1, 3, 4, 5));
  lab.deliver(among(1, 3, 4, 5));
  for (let i = 0; i < 6; i++) lab.propose(1, `new ${i}`);
  lab.deliver(among(1, 4));
  for (const message of late) lab.hand(message);
  return lab.violations;
}

/** Campaigns until it leads; the first time may only teach it the term. */
export function lead(lab: Lab, id: number, meant: ReturnType<typeof among>): void {
  for (let round = 0; round < 3 && lab.raft(id).role !== "leader"; round++) {
    lab.campaign(id);
    lab.deliver((message) => meant(message) && message.kind.startsWith("request"));
  }
  if (lab.raft(id).role !== "leader") throw new Error(`${id} does not lead`);
}
