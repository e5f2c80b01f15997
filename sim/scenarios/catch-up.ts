import type { Violation } from "../checkers/index.ts";
import { ReplicaLab } from "./replica-lab.ts";

/** How long after the marker has left the follower's power is cut: before, while and after it is taken. */
const CRASHES_AFTER_MS = [0, 2, 4, 8, 16];

/**
 * E5: a follower that was away gets a marker for what its leader has let go of, and entries behind it.
 * Its power is cut on the way, each time a little later; it goes on from what its disk has.
 */
export async function crashInCatchUp(): Promise<readonly Violation[]> {
  const lab = new ReplicaLab(3);
  const leader = await lab.leader();
  const away = lab.cluster.machines.find((number) => number !== leader.number) as number;
  let crashes = 0;
  for (const ms of CRASHES_AFTER_MS) {
    const behind = lab.machine(away).replica?.status.lastIndex ?? 0;
    lab.cluster.crash(away, "kill");
    await lab.append(60);
    const { replica } = leader;
    if (replica === undefined) throw new Error("the leader runs");
    const before = replica.highWatermark - 10;
    lab.cluster.logStart.ordered(before);
    await lab.answer(replica.deleteBefore(before));
    const hasLetGo = (): boolean => (leader.log?.firstIndex ?? 0) > behind + 1;
    await lab.until("the leader has let go of it", hasLetGo, 60_000);
    let isCut = false;
    lab.cluster.isLost = ({ to, kind }) => {
      if (isCut || to !== lab.machine(away).replicaId || kind !== "installSnapshot") return false;
      isCut = true;
      lab.world.after(ms, () => {
        crashes += 1;
        lab.cluster.crash(away, "power");
        lab.world.after(100, () => lab.cluster.restart(away));
      });
      return false;
    };
    lab.cluster.restart(away);
    await lab.until("its power is cut on the way", () => isCut);
    await lab.until("the follower is level with its leader", () => {
      const status = lab.machine(away).replica?.status;
      return status?.commitIndex === replica.status.lastIndex && !status.damaged;
    });
  }
  lab.expect("E5", crashes === CRASHES_AFTER_MS.length, `${crashes} crashes in catch-up`);
  return lab.violations;
}
