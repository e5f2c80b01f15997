/** What a server says of itself while its cluster loses its majority, and when that comes back. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import type { Agent } from "../../src/agent/index.ts";
import { startCluster, until } from "../support/cluster.ts";
import type { TestCluster } from "../support/cluster.ts";
import { checks } from "../support/health-checks.ts";

const [OFF, ON] = ["NOT_SERVING", "SERVING"];
const READY = { startup: ON, readiness: ON, liveness: ON, "": ON };
const WAITING = { startup: ON, readiness: OFF, liveness: ON, "": OFF };

async function reasonOf({ healthAddress }: Agent): Promise<string> {
  const answer = await fetch(`http://${healthAddress}/readyz`);
  const { status } = (await answer.json()) as { status: string };
  return answer.ok ? "" : status;
}

async function healthOf({ healthAddress = "" }: Agent): Promise<Record<string, string>> {
  return checks(healthAddress);
}

async function metricsOf({ healthAddress }: Agent): Promise<string> {
  return (await fetch(`http://${healthAddress}/metrics`)).text();
}

async function untilReady(agents: readonly Agent[]): Promise<void> {
  for (const agent of agents) await until(async () => (await reasonOf(agent)) === "", "not ready");
}

const threeWithHealth = (t: Parameters<typeof startCluster>[0]): Promise<TestCluster> =>
  startCluster(t, 3, { settings: { healthPort: "auto" } });

describe("readiness", { concurrency: true }, () => {
  test("goes with the majority and comes back with it; a server that waits is started and lives", async (t) => {
    const cluster = await threeWithHealth(t);
    const leader = await cluster.untilLed();
    await untilReady(cluster.agents);
    assert.deepEqual(await healthOf(leader), READY);
    const places = [0, 1, 2].filter((at) => cluster.agents[at] !== leader);
    const [first = 0, second = 0] = places;
    await cluster.agents[first]?.close();
    // Two of three go on.
    assert.equal(await reasonOf(leader), "");
    await cluster.agents[second]?.close();
    await until(async () => (await reasonOf(leader)) !== "", "it is ready without a majority");
    assert.equal(await reasonOf(leader), "no leader is known");
    assert.deepEqual(await healthOf(leader), WAITING);
    const metrics = await metricsOf(leader);
    assert.match(metrics, /^proglog_ready 0$/m);
    assert.match(metrics, /^proglog_has_leader 0$/m);

    const back = await cluster.start(first);
    await untilReady([leader, back]);
    assert.deepEqual(await healthOf(leader), READY);
    assert.match(await metricsOf(leader), /^proglog_ready 1$/m);
  });

  test("a server that comes back without a majority is started and lives, and is not ready until there is one", async (t) => {
    const cluster = await threeWithHealth(t);
    await cluster.untilLed();
    await Promise.all(cluster.agents.map((agent) => agent.close()));
    const alone = await cluster.start(0);
    assert.deepEqual(await healthOf(alone), WAITING);
    assert.equal(await reasonOf(alone), "no leader is known");
    const second = await cluster.start(1);
    await untilReady([alone, second]);
    assert.deepEqual(await healthOf(alone), READY);
  });
});
