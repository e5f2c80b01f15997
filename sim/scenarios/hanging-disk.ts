import type { Violation } from "../checkers/index.ts";
import { ReplicaLab } from "./replica-lab.ts";

/**
 * C6: the leader's disk hangs in a sync, and its network is fine. After two election timeouts at the
 * latest it stops leading, others append without it, and it follows when its disk goes on.
 */
export async function hangingDisk(): Promise<readonly Violation[]> {
  const lab = new ReplicaLab(3);
  const old = await lab.leader();
  await lab.append(3);
  const hold = old.disk.hold({ kind: "sync" });
  const value = new TextEncoder().encode("while it hangs");
  old.replica?.append({ value }).catch(() => undefined);
  await lab.until("another one leads", () => {
    const leader = lab.cluster.leader();
    return leader !== undefined && leader !== old && leader.replica?.isLeading === true;
  });
  const offsets = await lab.append(3);
  lab.expect("C6", offsets.length === 3, "nothing is appended while a disk hangs");
  hold.release();
  await lab.append(1);
  await lab.until("all agree", () => lab.cluster.hasConverged());
  return lab.violations;
}
