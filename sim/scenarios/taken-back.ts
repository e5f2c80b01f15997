import type { Violation } from "../checkers/index.ts";
import { ReplicaLab } from "./replica-lab.ts";

/**
 * A13: a follower's disk is full, and what did not fit is being taken back, slowly, when the next entry
 * comes and is refused. The core that begins anew may count on nothing of what is being taken back: with
 * the third replica out of reach, the leader would commit it by that one acknowledgement.
 */
export async function takenBack(): Promise<readonly Violation[]> {
  const lab = new ReplicaLab(3);
  const leader = await lab.leader();
  await lab.append(3);
  await lab.until("all have it", () => lab.cluster.hasConverged());
  const [follower, other] = lab.cluster.members().filter((each) => each !== leader);
  if (follower === undefined || other === undefined) return lab.violations;
  for (const { number } of [leader, follower]) {
    lab.cluster.block(number, other.number);
    lab.cluster.block(other.number, number);
  }
  follower.disk.inject({ kind: "write", path: ".log" }, { error: "ENOSPC", keep: 48 });
  const hold = follower.disk.hold({ kind: "truncate" });
  const { lastIndex } = lab.replica(follower.number).status;
  const append = (value: string): void => {
    const bytes = new TextEncoder().encode(value);
    leader.replica?.append({ value: bytes }).catch(() => undefined);
  };
  append("does not fit");
  await lab.until("the follower has begun to write it", () => {
    return (follower.replica?.status.lastIndex ?? 0) > lastIndex;
  });
  await lab.run(20);
  append("is refused");
  await lab.run(1_000);
  hold.release();
  lab.cluster.healNetwork();
  await lab.append(1);
  await lab.until("all agree", () => lab.cluster.hasConverged());
  return lab.violations;
}
