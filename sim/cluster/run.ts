import type { RunOptions, RunResult } from "../outcome.ts";
import { Play } from "../replica/play.ts";
import { below, chance, type Random } from "../../src/base/index.ts";
import { drawSwarm, World } from "../world/index.ts";
import { FleetClients } from "./clients.ts";
import { Fleet, type FleetOptions } from "./fleet.ts";

/** Healed for so long, everybody must vote in one cluster and agree. */
const CONVERGENCE_MS = 90_000;
/** Nobody belongs to a cluster by then: what was begun came to nothing. */
const BEGIN_MS = 30_000;
const EXPECT = 3;

/** One run of whole servers: they make a cluster in a storm, then calm, agreement, everything read. */
export async function runCluster(options: RunOptions): Promise<RunResult> {
  const { seed, replicas, minutes } = options;
  const world = new World(seed * 16 + replicas);
  const swarm = drawSwarm(world.random("swarm"));
  const fleet = new Fleet(world, swarm, fleetOptions(world.random("options"), replicas));
  const clients = new FleetClients(world, fleet, swarm);
  const nemesis = fleet.nemesis();
  const play = new Play(world, fleet, options);
  await play.run(async () => {
    const stormMs = minutes * 60_000;
    await play.until(stormMs);
    clients.stop();
    fleet.calm();
    nemesis.stop();
    let isAppended = false;
    clients.appendAndRead(() => (isAppended = true));
    const isAgreed = (): boolean => isAppended && fleet.hasConverged();
    await play.until(stormMs + BEGIN_MS, isAgreed);
    if (fleet.isBegunAnew && !fleet.oneCluster.isMade) fleet.beginAnew();
    await play.until(world.nowMs + CONVERGENCE_MS, isAgreed);
    const hasCluster = isAgreed();
    // A disk that was lost on the way to a cluster may have been the one that everybody asks.
    if (play.isClean && !hasCluster && !fleet.isBegunAnew) {
      const message = `no agreement after the calm, appended: ${isAppended}; ${fleet.describe()}`;
      fleet.violations.push({ rule: "I11", message });
    }
    await play.until(world.nowMs + 3_000);
    if (play.isClean && hasCluster) await play.judge(fleet.hosts(), clients);
  });
  return play.result(clients);
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
