import type { PeerMessage } from "../../src/replica/index.ts";
import type { Violation } from "../checkers/index.ts";
import { drain } from "../replica/drain.ts";
import type { Machine } from "../replica/machine.ts";
import { ReplicaLab } from "./replica-lab.ts";

/** A read that must see what was committed before it came. */
interface FreshRead {
  /** How far its replica could see when it was answered. */
  seen: number | undefined;
}

function readAt({ replica }: Machine): FreshRead {
  const read: FreshRead = { seen: undefined };
  replica?.readBarrier().then(
    () => (read.seen = replica.highWatermark),
    () => undefined,
  );
  return read;
}

/** It is answered with no less than `least` records; or not at all, while nobody can know. */
function expectFresh(lab: ReplicaLab, rule: string, reads: readonly FreshRead[], least: number) {
  for (const { seen } of reads) {
    const isFresh = seen === undefined || seen >= least;
    lab.expect(rule, isFresh, `a read was answered with ${seen ?? 0} of ${least} records`);
  }
}

function othersThan(lab: ReplicaLab, ...machines: readonly Machine[]): Machine[] {
  return lab.cluster.machines
    .map((number) => lab.machine(number))
    .filter((machine) => !machines.includes(machine));
}

/** These stand still, cut off from the rest, until the rest has another leader and a record more. */
async function leftBehind(lab: ReplicaLab, ...behind: readonly Machine[]): Promise<number> {
  const ids = new Set(behind.map(({ replicaId }) => replicaId));
  lab.cluster.isLost = ({ from, to }) => ids.has(from) !== ids.has(to);
  const pausedMs = 3_000;
  const untilMs = lab.world.nowMs + pausedMs;
  for (const { number } of behind) lab.cluster.pause(number, pausedMs);
  await lab.until("another one leads", () => {
    const leader = lab.cluster.leader();
    return leader !== undefined && !behind.includes(leader) && leader.replica?.isLeading === true;
  });
  const [offset] = await lab.append(1);
  await lab.run(untilMs - lab.world.nowMs + 5);
  if (behind[0]?.replica?.status.role !== "leader") throw new Error("it believes that it leads");
  return (offset ?? 0) + 1;
}

/**
 * F2: a leader stands still while the answers to a round of reads are under way, and another one leads
 * and commits. A read that comes when it goes on is not confirmed by those answers.
 */
export async function readAfterAPause(): Promise<readonly Violation[]> {
  const lab = new ReplicaLab(3);
  const old = await lab.leader();
  await lab.append(3);
  const late: PeerMessage[] = [];
  lab.cluster.isLost = ({ to, kind }, envelope) => {
    if (to !== old.replicaId || kind !== "heartbeatResponse") return false;
    late.push(envelope);
    return true;
  };
  readAt(old);
  await lab.run(20);
  if (late.length === 0) throw new Error("a round is under way");
  const least = await leftBehind(lab, old);
  const read = readAt(old);
  await lab.run(5);
  for (const envelope of late) lab.cluster.hand(envelope);
  await lab.run(30);
  expectFresh(lab, "F2", [read], least);
  lab.cluster.isLost = undefined;
  await lab.until("the read is answered", () => read.seen !== undefined);
  expectFresh(lab, "F2", [read], least);
  return lab.violations;
}

/**
 * F3: two of five, the leader among them, are cut off while the rest goes on. A read at either of them
 * needs one more that confirms it.
 */
export async function readByAMinority(): Promise<readonly Violation[]> {
  const lab = new ReplicaLab(5);
  const old = await lab.leader();
  await lab.append(3);
  const [follower] = othersThan(lab, old);
  if (follower === undefined) throw new Error("there are five");
  const least = await leftBehind(lab, old, follower);
  const reads: FreshRead[] = [];
  for (let i = 0; i < 10; i++) {
    reads.push(readAt(old), readAt(follower));
    await lab.run(50);
    expectFresh(lab, "F3", reads, least);
  }
  lab.cluster.isLost = undefined;
  await lab.until("all are answered", () => reads.every(({ seen }) => seen !== undefined));
  expectFresh(lab, "F3", reads, least);
  return lab.violations;
}

/**
 * F5: a leader that was replaced has entries that nobody else has, and follows. The answer to its read
 * names an index that lies within them: they are not committed by that, and the read waits until what
 * the others have is here.
 */
export async function readOverADivergentLog(): Promise<readonly Violation[]> {
  const lab = new ReplicaLab(3);
  const old = await lab.leader();
  const [last] = await lab.append(1);
  const isOld = (id: number): boolean => id === old.replicaId;
  lab.cluster.isLost = ({ from, to }) => isOld(from) || isOld(to);
  const value = new TextEncoder().encode("of nobody else");
  for (let i = 0; i < 10; i++) old.replica?.append({ value }).catch(() => undefined);
  await lab.until("another one leads", () => lab.cluster.leader()?.replica?.isLeading === true);
  await lab.until("another one leads", () => {
    const leader = lab.cluster.leader();
    return leader !== old && leader?.replica?.isLeading === true;
  });
  const [, offset] = await lab.append(2);
  const least = (offset ?? 0) + 1;
  lab.cluster.isLost = ({ to, kind }) => isOld(to) && kind === "appendEntries";
  await lab.until("it follows", () => {
    return old.replica?.status.leader === lab.cluster.leader()?.replicaId;
  });
  const read = readAt(old);
  await lab.run(200);
  lab.expect("F5", read.seen === undefined, `it was answered with ${read.seen ?? 0} records`);
  const committed = old.replica?.highWatermark ?? 0;
  lab.expect("F5", committed === (last ?? 0) + 1, `its own ${committed} records are committed`);
  lab.cluster.isLost = undefined;
  await lab.until("the read is answered", () => read.seen !== undefined);
  expectFresh(lab, "F5", [read], least);
  await lab.until("all agree", () => lab.cluster.hasConverged());
  const held = (await lab.answer(drain(lab.cluster.members()))) ?? [];
  const texts = new Set(held.map(({ values }) => values.join()));
  lab.expect("F5", texts.size === 1, "they hold different records");
  return lab.violations;
}

/**
 * F7: a read waits at a leader of four that hears only one of them. While the removal of another one is
 * proposed it goes on waiting; once that is in force two of three are enough, and it is answered.
 */
export async function readWhileMembersChange(): Promise<readonly Violation[]> {
  const lab = new ReplicaLab(4);
  const leader = await lab.leader();
  await lab.append(3);
  const [heard, slow, removed] = othersThan(lab, leader);
  if (heard === undefined || slow === undefined || removed === undefined) {
    throw new Error("there are four");
  }
  const held: PeerMessage[] = [];
  lab.cluster.isLost = ({ from, to, kind }, envelope) => {
    if (to !== leader.replicaId || from === heard.replicaId) return false;
    if (from === slow.replicaId && kind === "appendEntriesResponse") held.push(envelope);
    return true;
  };
  const read = readAt(leader);
  await lab.run(50);
  lab.expect("F7", read.seen === undefined, "two of four confirmed a read");
  const change = leader.replica?.members.remove(removed.replicaId);
  await lab.run(50);
  lab.expect("F7", read.seen === undefined, "a read was confirmed by who is not in force yet");
  for (const envelope of held) lab.cluster.hand(envelope);
  await lab.answer(change ?? Promise.resolve());
  await lab.until("the read is answered", () => read.seen !== undefined, 1_000);
  expectFresh(lab, "F7", [read], 3);
  lab.cluster.isLost = undefined;
  await lab.append(1);
  return lab.violations;
}
