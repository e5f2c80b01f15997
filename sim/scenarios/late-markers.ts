import { membersOf } from "../../src/base/index.ts";
import type { PeerMessage } from "../../src/replica/index.ts";
import type { Violation } from "../checkers/index.ts";
import type { Machine } from "../replica/machine.ts";
import { ReplicaLab } from "./replica-lab.ts";

/** Lets go of everything before an offset, and of the files that held it. */
async function letGo(lab: ReplicaLab, offset: number): Promise<void> {
  const { replica } = await lab.leader();
  lab.cluster.logStart.ordered(offset);
  await lab.answer(replica?.deleteBefore(offset) ?? Promise.resolve());
  await lab.run(3_000);
}

async function untilLevel(lab: ReplicaLab, machine: Machine): Promise<void> {
  await lab.until("it is level with its leader", () => {
    const { lastIndex } = lab.cluster.leader()?.replica?.status ?? {};
    return lastIndex !== undefined && machine.replica?.status.commitIndex === lastIndex;
  });
}

/** Whom a machine takes for members. */
function namesAt({ replica }: Machine): readonly string[] {
  return replica === undefined
    ? []
    : membersOf(replica.status.configuration).map(({ name }) => name);
}

/**
 * E3: a follower's disk takes long to write down who takes part, when its leader has let go of what
 * comes next and sends a marker, behind which others take part. One comes after the other, also in what
 * is written down.
 */
export async function markerWhileApplying(): Promise<readonly Violation[]> {
  const lab = new ReplicaLab(3);
  const leader = await lab.leader();
  const slow = lab.cluster.machines.map((n) => lab.machine(n)).find((each) => each !== leader);
  if (leader.replica === undefined || slow?.replica === undefined) throw new Error("all run");
  const { members } = leader.replica;
  await lab.append(5);
  const hold = slow.disk.hold({ kind: "write", path: /raft\.state/, touching: 0 });
  const added = { replicaId: 99, name: "r99" };
  await lab.answer(members.addLearner(added));
  await lab.run(100);
  const isHeld = namesAt(leader).includes("r99") && !namesAt(slow).includes("r99");
  if (!isHeld) throw new Error("its disk hangs while it applies the change");
  lab.cluster.isLost = ({ to, kind }) => to === slow.replicaId && kind === "appendEntries";
  await lab.answer(members.remove(99));
  await lab.append(120);
  await letGo(lab, 100);
  let markers = 0;
  lab.cluster.isLost = ({ to, kind }) => {
    if (to === slow.replicaId && kind === "installSnapshot") markers += 1;
    return false;
  };
  await lab.until("it is sent a marker", () => markers > 0);
  await lab.run(50);
  hold.release();
  await untilLevel(lab, slow);
  for (let life = 0; life < 2; life++) {
    const names = namesAt(slow);
    lab.expect("E3", !names.includes("r99"), `it takes ${names.join()} for members`);
    lab.cluster.crash(slow.number, "power");
    lab.cluster.restart(slow.number);
    await untilLevel(lab, slow);
  }
  await lab.append(1);
  await lab.until("all agree", () => lab.cluster.hasConverged());
  return lab.violations;
}

/**
 * E4: a follower that was away gets a marker twice at once, again when it has gone on, again from a leader
 * that leads no more, and again when the log begins behind it. It takes the first, and nothing goes back.
 */
export async function lateMarkers(): Promise<readonly Violation[]> {
  const lab = new ReplicaLab(3);
  const leader = await lab.leader();
  const away = lab.cluster.machines.map((n) => lab.machine(n)).find((each) => each !== leader);
  if (away === undefined) throw new Error("there are three");
  lab.cluster.crash(away.number, "kill");
  await lab.append(120);
  await letGo(lab, 100);
  const markers: PeerMessage[] = [];
  lab.cluster.isLost = ({ to, kind }, envelope) => {
    if (to === away.replicaId && kind === "installSnapshot") markers.push(envelope);
    return false;
  };
  lab.cluster.restart(away.number);
  await lab.until("it is sent a marker", () => markers.length > 0);
  const handAgain = async (when: string): Promise<void> => {
    const before = placeOf(away);
    for (let i = 0; i < 2; i++) for (const marker of markers) lab.cluster.hand(marker);
    await lab.run(20);
    const after = placeOf(away);
    const isBack = after.some((value, at) => value < (before[at] ?? 0));
    lab.expect("E4", !isBack, `${when} it went back from ${before.join()} to ${after.join()}`);
  };
  await handAgain("at once");
  lab.cluster.isLost = undefined;
  await untilLevel(lab, away);
  await lab.append(60);
  await untilLevel(lab, away);
  await handAgain("when it has gone on");
  leader.replica?.transferLeadership(away.replicaId);
  await lab.until("it leads", () => away.replica?.isLeading === true);
  await handAgain("as a leader");
  await lab.append(1);
  await letGo(lab, 150);
  away.replica?.transferLeadership(leader.replicaId);
  await lab.until("it follows again", () => leader.replica?.isLeading === true);
  await lab.append(1);
  await untilLevel(lab, away);
  await handAgain("behind another beginning");
  lab.cluster.crash(away.number, "power");
  lab.cluster.restart(away.number);
  await lab.append(1);
  await lab.until("all agree", () => lab.cluster.hasConverged());
  return lab.violations;
}

/** What only ever grows. */
function placeOf({ replica }: Machine): readonly number[] {
  if (replica === undefined) return [];
  const { lowestOffset, highWatermark, status } = replica;
  return [lowestOffset, highWatermark, status.commitIndex, status.term, status.lastIndex];
}
