import {
  checkDrain,
  checkHistory,
  checkNotVacuous,
  checkSequences,
  checkSessions,
} from "../checkers/index.ts";
import {
  CONVERGENCE_MS,
  outcomeOf,
  violationOf,
  type RunOptions,
  type RunResult,
} from "../outcome.ts";
import { drawSwarm, Turn, World } from "../world/index.ts";
import { ReplicaClients } from "./clients.ts";
import { ReplicaCluster } from "./cluster.ts";
import { drain } from "./drain.ts";
import { collectRejections } from "../rejections.ts";

/** One seed in so many looks for rejections that nobody awaits after every event. */
const STRICT_SEEDS = 8;

/** One run of the whole replica: storm, calm, agreement, everything read, the history checked. */
export async function runReplica(options: RunOptions): Promise<RunResult> {
  const { seed, replicas, minutes } = options;
  const world = new World(seed * 16 + replicas + 8);
  const turn = new Turn(options.isStrict ?? seed % STRICT_SEEDS === 0);
  const swarm = drawSwarm(world.random("swarm"));
  const cluster = new ReplicaCluster(world, swarm, replicas);
  const clients = new ReplicaClients(world, cluster, swarm);
  const nemesis = cluster.nemesis();
  const { violations } = cluster;
  let events = 0;
  const runUntil = async (untilMs: number, isEnough: () => boolean): Promise<void> => {
    while (violations.length === 0 && !isEnough()) {
      try {
        if (!world.step(untilMs)) return;
        events += 1;
        await turn.end();
        cluster.observe();
      } catch (error) {
        violations.push(violationOf(error));
      }
    }
  };
  const restore = collectRejections((error) => violations.push(violationOf(error)));
  try {
    const stormMs = minutes * 60_000;
    await runUntil(stormMs, () => false);
    clients.stop();
    cluster.calm();
    nemesis.stop();
    let isAppended = false;
    clients.appendUntilDone(() => (isAppended = true));
    const isAgreed = (): boolean => isAppended && cluster.hasConverged();
    await runUntil(stormMs + CONVERGENCE_MS, isAgreed);
    if (violations.length === 0 && !isAgreed()) {
      violations.push({ rule: "I11", message: cluster.describe(isAppended) });
    }
    await runUntil(world.nowMs + 3_000, () => false);
    if (violations.length === 0) await judge(cluster, clients, runUntil, world);
    await turn.loop();
  } finally {
    restore();
  }
  return {
    ...outcomeOf(world, violations),
    events,
    appends: clients.recorder.appends,
    acknowledged: clients.recorder.acknowledged.size,
    leaders: cluster.watch.elections.leaders.size,
  };
}

async function judge(
  cluster: ReplicaCluster,
  clients: ReplicaClients,
  runUntil: (untilMs: number, isEnough: () => boolean) => Promise<void>,
  world: World,
): Promise<void> {
  const { violations, watch } = cluster;
  const { operations, acknowledged, appends, reads } = clients.recorder;
  const drained = drain(cluster.members());
  let isDone = false;
  const hasEnded = (): boolean => isDone;
  drained.then(
    () => (isDone = true),
    (error: unknown) => violations.push(violationOf(error)),
  );
  await runUntil(world.nowMs + CONVERGENCE_MS, hasEnded);
  if (violations.length > 0) return;
  if (!hasEnded()) {
    violations.push({ rule: "I11", message: "the replicas cannot be read to their end" });
    return;
  }
  const holdings = await drained;
  for (const { replica, from } of holdings) cluster.logStart.settled(replica, from);
  const next = Math.max(...holdings.map(({ from, values }) => from + values.length));
  violations.push(
    ...checkHistory(operations),
    ...checkDrain(holdings, next, acknowledged),
    ...checkSessions(clients.sessions),
    ...checkSequences(clients.sequencesIn(holdings)),
    ...checkNotVacuous({
      appends,
      reads,
      acknowledged: acknowledged.size,
      leaders: watch.elections.leaders.size,
    }),
  );
}
