import {
  checkDrain,
  checkHistory,
  checkNotVacuous,
  checkSequences,
  checkSessions,
} from "../checkers/index.ts";
import { outcomeOf, violationOf, type RunOptions, type RunResult } from "../outcome.ts";
import { collectRejections } from "../rejections.ts";
import { drain } from "../replica/drain.ts";
import { below, chance, type Random } from "../../src/base/index.ts";
import { drawSwarm, Turn, World } from "../world/index.ts";
import { FleetClients } from "./clients.ts";
import { Fleet, type FleetOptions } from "./fleet.ts";

/** One seed in so many looks for rejections that nobody awaits after every event. */
const STRICT_SEEDS = 8;
/** Healed for so long, everybody must vote in one cluster and agree. */
const CONVERGENCE_MS = 90_000;
/** Nobody belongs to a cluster by then: what was begun came to nothing. */
const BEGIN_MS = 30_000;
const EXPECT = 3;

/** One run of whole servers: they make a cluster in a storm, then calm, agreement, everything read. */
export async function runCluster(options: RunOptions): Promise<RunResult> {
  const { seed, replicas, minutes } = options;
  const world = new World(seed * 16 + replicas);
  const turn = new Turn(options.isStrict ?? seed % STRICT_SEEDS === 0);
  const swarm = drawSwarm(world.random("swarm"));
  const fleet = new Fleet(world, swarm, fleetOptions(world.random("options"), replicas));
  const clients = new FleetClients(world, fleet, swarm);
  const nemesis = fleet.nemesis();
  const { violations } = fleet;
  let events = 0;
  const runUntil = async (untilMs: number, isEnough: () => boolean): Promise<void> => {
    while (violations.length === 0 && !isEnough()) {
      try {
        if (!world.step(untilMs)) return;
        events += 1;
        await turn.end();
        fleet.observe();
      } catch (error) {
        violations.push(violationOf(error));
      }
    }
  };
  const restore = collectRejections((error) => violations.push(violationOf(error)));
  let hasCluster = true;
  try {
    const stormMs = minutes * 60_000;
    await runUntil(stormMs, () => false);
    clients.stop();
    fleet.calm();
    nemesis.stop();
    let isAppended = false;
    clients.appendAndRead(() => (isAppended = true));
    const isAgreed = (): boolean => isAppended && fleet.hasConverged();
    await runUntil(stormMs + BEGIN_MS, isAgreed);
    if (fleet.isBegunAnew && !fleet.oneCluster.isMade) fleet.beginAnew();
    await runUntil(world.nowMs + CONVERGENCE_MS, isAgreed);
    hasCluster = isAgreed();
    // A disk that was lost on the way to a cluster may have been the one that everybody asks.
    if (violations.length === 0 && !hasCluster && !fleet.isBegunAnew) {
      const message = `no agreement after the calm, appended: ${isAppended}; ${fleet.describe()}`;
      violations.push({ rule: "I11", message });
    }
    await runUntil(world.nowMs + 3_000, () => false);
    if (violations.length === 0 && hasCluster) await judge(fleet, clients, runUntil, world);
    await turn.loop();
  } finally {
    restore();
  }
  return {
    ...outcomeOf(world, violations),
    events,
    appends: clients.recorder.appends,
    acknowledged: clients.recorder.acknowledged.size,
    leaders: fleet.watch.elections.leaders.size,
  };
}

/** Of five servers all are expected, or three: then the others are let in. */
function fleetOptions(random: Random, hosts: number): FleetOptions {
  const expect = chance(random, 0.5) ? hosts : Math.min(hosts, EXPECT);
  return {
    ...{ hosts, expect },
    rumours: {
      lieChance: [0, 0.02, 0.1, 0.3][below(random, 4)] ?? 0,
      splitChance: [0, 0.5, 1][below(random, 3)] ?? 0,
    },
  };
}

async function judge(
  fleet: Fleet,
  clients: FleetClients,
  runUntil: (untilMs: number, isEnough: () => boolean) => Promise<void>,
  world: World,
): Promise<void> {
  const { violations, watch } = fleet;
  const { operations, acknowledged, appends, reads } = clients.recorder;
  const drained = drain(fleet.machines.map((number) => fleet.host(number)));
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
  for (const { replica, from } of holdings) fleet.logStart.settled(replica, from);
  const next = Math.max(...holdings.map(({ from, values }) => from + values.length));
  violations.push(
    ...checkHistory(operations),
    ...checkDrain(holdings, next, acknowledged),
    ...checkSessions(clients.sessions),
    ...checkSequences(clients.sequencesIn(holdings)),
    ...checkNotVacuous({
      ...{ appends, reads, acknowledged: acknowledged.size },
      leaders: watch.elections.leaders.size,
    }),
  );
}
