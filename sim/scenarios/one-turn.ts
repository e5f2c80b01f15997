import type { Violation } from "../checkers/index.ts";
import { ReplicaLab } from "./replica-lab.ts";

/**
 * B13, B26: a leader is held up while others elect another one. In the turn in which it goes on it is
 * asked for a change of members, and hears of the newer leader, whose entry has the place of its own.
 */
export async function oneTurn(): Promise<readonly Violation[]> {
  const lab = new ReplicaLab(3);
  const old = await lab.leader();
  await lab.append(5);
  const { number } = old;
  const isOld = ({ replicaId }: { readonly replicaId: number }): boolean =>
    replicaId === old.replicaId;
  lab.cluster.pause(number, 3_000);
  old.call((replica) => {
    replica.members.addLearner({ replicaId: 99, name: "r99" }).catch(() => undefined);
  }, true);
  await lab.until("another one leads", () => {
    const leader = lab.cluster.leader();
    return leader !== undefined && !isOld(leader);
  });
  await lab.run(4_000);
  await lab.append(1);
  await lab.until("all agree", () => lab.cluster.hasConverged());
  return lab.violations;
}
