import { CONVERGENCE_MS, type RunOptions, type RunResult } from "../outcome.ts";
import { drawSwarm, World } from "../world/index.ts";
import { ReplicaClients } from "./clients.ts";
import { ReplicaCluster } from "./cluster.ts";
import { Play } from "./play.ts";

/** One run of the whole replica: storm, calm, agreement, everything read, the history checked. */
export async function runReplica(options: RunOptions): Promise<RunResult> {
  const { seed, replicas, minutes } = options;
  const world = new World(seed * 16 + replicas + 8);
  const swarm = drawSwarm(world.random("swarm"));
  const cluster = new ReplicaCluster(world, swarm, replicas);
  const clients = new ReplicaClients(world, cluster, swarm);
  const nemesis = cluster.nemesis();
  const play = new Play(world, cluster, options);
  await play.run(async () => {
    const stormMs = minutes * 60_000;
    await play.until(stormMs);
    clients.stop();
    cluster.calm();
    nemesis.stop();
    let isAppended = false;
    clients.appendUntilDone(() => (isAppended = true));
    const isAgreed = (): boolean => isAppended && cluster.hasConverged();
    await play.until(stormMs + CONVERGENCE_MS, isAgreed);
    if (play.isClean && !isAgreed()) {
      cluster.violations.push({ rule: "I11", message: cluster.describe(isAppended) });
    }
    await play.until(world.nowMs + 3_000);
    if (play.isClean) await play.judge(cluster.members(), clients);
  });
  return play.result(clients);
}
