import { checkDrain, checkHistory, checkNotVacuous, type Violation } from "../checkers/index.ts";
import {
  CONVERGENCE_MS,
  outcomeOf,
  violationOf,
  type RunOptions,
  type RunResult,
} from "../outcome.ts";
import { drawSwarm, World } from "../world/index.ts";
import { CoreClients } from "./clients.ts";
import { CoreCluster } from "./cluster.ts";

/** One run of the core alone: storm, calm, agreement, and then the history is checked. */
export function runCore({ seed, replicas, minutes }: RunOptions): RunResult {
  const world = new World(seed * 16 + replicas);
  const swarm = drawSwarm(world.random("swarm"));
  const cluster = new CoreCluster(world, swarm, replicas);
  const clients = new CoreClients(world, cluster, swarm.load);
  const nemesis = cluster.nemesis();
  const { violations } = cluster;
  let events = 0;
  const runUntil = (untilMs: number, enough: () => boolean): void => {
    try {
      while (violations.length === 0 && !enough() && world.step(untilMs)) events += 1;
    } catch (error) {
      violations.push(violationOf(error));
    }
  };
  const stormMs = minutes * 60_000;
  runUntil(stormMs, () => false);
  clients.stop();
  guarded(violations, () => {
    cluster.calm();
    nemesis.stop();
  });
  let appended = false;
  const hasAppended = (): boolean => appended;
  clients.appendUntilDone(() => (appended = true));
  runUntil(stormMs + CONVERGENCE_MS, () => appended && cluster.hasConverged());
  if (violations.length === 0 && !(hasAppended() && cluster.hasConverged())) {
    violations.push({ rule: "I11", message: cluster.describe(appended) });
  }
  // What is still under way comes to its end, so that no attempt is open when it is judged.
  runUntil(world.nowMs + 3_000, () => false);
  if (violations.length === 0) judge(cluster, clients);
  return {
    ...outcomeOf(world, violations),
    events,
    appends: clients.recorder.appends,
    acknowledged: clients.recorder.acknowledged.size,
    leaders: cluster.watch.elections.leaders.size,
  };
}

function guarded(violations: Violation[], action: () => void): void {
  try {
    action();
  } catch (error) {
    violations.push(violationOf(error));
  }
}

function judge(cluster: CoreCluster, { recorder }: CoreClients): void {
  const { violations, watch } = cluster;
  const { operations, acknowledged, appends, reads } = recorder;
  const holdings = cluster.members().map(({ id, values }) => ({ replica: id, from: 0, values }));
  const leaders = watch.elections.leaders.size;
  violations.push(
    ...checkHistory(operations),
    ...checkDrain(holdings, holdings[0]?.values.length ?? 0, acknowledged),
    ...checkNotVacuous({ appends, reads, acknowledged: acknowledged.size, leaders }),
  );
}
