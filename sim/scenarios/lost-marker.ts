import type { Violation } from "../checkers/index.ts";
import { ReplicaLab } from "./replica-lab.ts";

/**
 * E7, G5: a follower that was away needs entries that its leader has let go of; the marker that stands
 * for them is lost on the way, and no link breaks. The leader must not wait for its arrival for ever.
 */
export async function lostMarker(): Promise<readonly Violation[]> {
  const lab = new ReplicaLab(3);
  const leader = await lab.leader();
  const away = lab.cluster.machines.find((number) => number !== leader.number) as number;
  await lab.append(5);
  lab.cluster.crash(away, "kill");
  await lab.append(120);
  const { replica } = leader;
  if (replica === undefined) throw new Error("the leader runs");
  lab.cluster.logStart.ordered(100);
  await lab.answer(replica.deleteBefore(100));
  await lab.run(3_000);
  let lost = 0;
  lab.cluster.isLost = ({ to, kind }) => {
    if (to !== lab.machine(away).replicaId || kind !== "installSnapshot") return false;
    lost += 1;
    return lost === 1;
  };
  lab.cluster.restart(away);
  await lab.until("the follower is level with its leader", () => {
    return lab.machine(away).replica?.status.commitIndex === replica.status.lastIndex;
  });
  if (lost === 0) throw new Error("a marker was sent");
  return lab.violations;
}
