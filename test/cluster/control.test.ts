/** What operators ask of a cluster, through the command line and any of its servers. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";

import type { Agent } from "../../src/agent/index.ts";
import { ClusterClient } from "../../src/client/index.ts";
import type { ClusterStatus } from "../../src/client/index.ts";
import { startCluster, until } from "../support/cluster.ts";
import { bytes } from "../support/log-server.ts";
import { runCli } from "../support/server.ts";

type Json = Record<string, unknown>;

async function cluster(
  agent: Agent,
  ...args: string[]
): Promise<{ code: number; json: Json; stderr: string }> {
  const { code, stdout, stderr } = await runCli([
    "cluster",
    ...args,
    "--address",
    agent.rpcAddress,
    "--json",
  ]);
  return { code, stderr, json: stdout === "" ? {} : (JSON.parse(stdout) as Json) };
}

const statusOf = async (agent: Agent): Promise<ClusterStatus> => {
  await using client = new ClusterClient(agent.rpcAddress);
  return await client.ask("GetStatus", {});
};

describe("a cluster and its operator", () => {
  test("status, retention, deletion and leadership, asked of one that does not lead", async (t) => {
    const servers = await startCluster(t, 3);
    const leader = await servers.untilLed();
    const follower = servers.agents.find((agent) => agent !== leader) ?? assert.fail();
    await follower.replica.readBarrier();
    for (let at = 0; at < 10; at++) await leader.commitLog.append({ value: bytes(`${at}`) }, {});

    const status = await statusOf(follower);
    const { name: leads } = leader.membership;
    assert.deepEqual([status.leader, status.answeredBy, status.next], [leads, leads, 10]);
    assert.deepEqual(status.members.map(({ name, role }) => `${name} ${role}`).toSorted(), [
      "a voter",
      "b voter",
      "c voter",
    ]);
    assert.ok(
      status.members.every(
        ({ rpcAddress, silentMs }) => rpcAddress !== "" && silentMs !== undefined,
      ),
    );
    const shown = await runCli(["cluster", "status", "--address", follower.rpcAddress]);
    assert.match(shown.stdout, /leads in term \d+\noffsets 0 to 10/);
    assert.match(shown.stdout, /\nname +replica id +rpc address +role +leads/);

    const set = await cluster(follower, "set", "--retention-bytes", "1GiB", "--retention-ms", "7d");
    assert.deepEqual(set.json, { retention_bytes: 2 ** 30, retention_ms: 7 * 86_400_000 });
    const partly = await cluster(follower, "set", "--retention-ms", "0");
    assert.deepEqual(partly.json, { retention_bytes: 2 ** 30, retention_ms: 0 });
    await until(
      () => servers.agents.every(({ replica }) => replica.retention.retentionBytes === 2 ** 30),
      "a server keeps another amount",
    );
    assert.equal((await cluster(follower, "set", "--retention-ms", "soon")).code, 2);

    assert.equal((await cluster(follower, "delete-before", "soon")).code, 2);
    const deleted = await cluster(follower, "delete-before", "4");
    assert.equal(deleted.code, 0);
    await until(
      () => servers.agents.every(({ commitLog }) => commitLog.lowestOffset === 4),
      "a server still has the records",
    );
    const beyond = await cluster(follower, "delete-before", "99");
    assert.deepEqual([beyond.code, /OFFSET_OUT_OF_RANGE/.test(beyond.stderr)], [1, true]);

    const { name } = follower.membership;
    const transferred = await cluster(leader, "transfer-leader", "--to", name);
    assert.deepEqual([transferred.json, transferred.stderr], [{ leader: name }, ""]);
    await until(() => follower.replica.isLeading, "it does not lead");
    const nobody = await cluster(leader, "transfer-leader", "--to", "z");
    assert.match(nobody.stderr, /no voter or learner is called z/);
  });

  test("one is removed and ends, the leader hands over first, and the last one stays", async (t) => {
    const failures: string[] = [];
    const servers = await startCluster(t, 3, {
      optionsFor: () => ({ onFailure: ({ code }) => void failures.push(code) }),
    });
    const leader = await servers.untilLed();
    const at = servers.agents.findIndex((agent) => agent !== leader);
    const gone = servers.agents[at] ?? assert.fail();
    const { name } = gone.membership;
    const removed = await cluster(leader, "remove", name);
    assert.deepEqual([removed.code, removed.json], [0, { removed: name }]);
    await until(() => failures.includes("REMOVED"), "it was not told that it was removed");
    await gone.close();
    assert.deepEqual(
      (await statusOf(leader)).members.map((member) => member.name).includes(name),
      false,
    );
    assert.match((await cluster(leader, "remove", name)).stderr, /no voter or learner is called/);
    assert.match(
      (await cluster(leader, "add", "nowhere")).stderr,
      /gossip knows no running server nowhere/,
    );

    // Who leads hands that over before it goes.
    const other =
      servers.agents.find((agent) => agent !== leader && agent !== gone) ?? assert.fail();
    const led = await cluster(other, "remove", leader.membership.name);
    assert.equal(led.code, 0, led.stderr);
    await until(() => other.replica.isLeading, "the one who is left does not lead");
    const last = await cluster(other, "remove", other.membership.name);
    assert.match(last.stderr, /it is the only voter/);
  });

  test("who is left alone by the others is made a cluster of its own, and turns them away", async (t) => {
    const servers = await startCluster(t, 3);
    const leader = await servers.untilLed();
    for (let at = 0; at < 5; at++) await leader.commitLog.append({ value: bytes(`${at}`) }, {});
    await servers.untilEven();
    const { clusterId } = leader.commitLog.servers();
    const directories = servers.agents.map(({ dataDir }) => dataDir);
    const [first = "", second = ""] = directories;
    const running = await runCli(["cluster", "recover", first, "--yes"]);
    assert.equal(running.code, 69, running.stderr);
    assert.match(running.stderr, /in use by [^]*stop it first/);
    const address = await runCli(["cluster", "recover", leader.rpcAddress, "--yes"]);
    assert.match(address.stderr, /is an address: recover works on the directory of a stopped/);
    assert.equal(leader.replica.status.configuration.voters.length, 3);
    await Promise.all(servers.agents.splice(0).map((agent) => agent.close()));

    const asked = await runCli(["cluster", "recover", first]);
    assert.deepEqual([asked.code, asked.stdout], [78, ""]);
    assert.match(asked.stderr, /is lost, and no way leads back[^]*give --yes/);
    const done = await runCli(["cluster", "recover", first, "--yes", "--json"]);
    const { before, next, damaged_records: damaged } = JSON.parse(done.stdout) as Json;
    assert.deepEqual([done.code, before, next, damaged], [0, ["a", "b", "c"], 5, 0]);

    const survivor = await servers.start(0, { startJoinAddrs: [] });
    assert.equal(survivor.replica.isLeading, true);
    assert.notEqual(survivor.commitLog.servers().clusterId, clusterId);
    const { baseOffset } = await survivor.commitLog.append({ value: bytes("after") }, {});
    assert.equal(baseOffset, 5);
    assert.deepEqual(
      (await statusOf(survivor)).members.map(({ name }) => name),
      ["a"],
    );

    // One of the old cluster comes back with its directory: it is not let in, and changes nothing.
    const old = await servers.start(1, { dataDir: second });
    await until(() => survivor.membership.members().length === 2, "gossip does not see it");
    assert.equal(old.replica.isLeading, false);
    const added = await cluster(survivor, "add", "b");
    assert.equal(survivor.replica.isLeading, true);
    assert.equal(survivor.replica.status.configuration.voters.length, 1, added.stderr);
    await survivor.commitLog.append({ value: bytes("still") }, {});
    await old.close();
    servers.agents.splice(1);
    // Its place is taken by an empty one.
    rmSync(second, { recursive: true });
    const empty = mkdtempSync(join(tmpdir(), "proglog-empty-"));
    t.after(() => rmSync(empty, { recursive: true }));
    await servers.start(1, { dataDir: join(empty, "data") });
  });
});
