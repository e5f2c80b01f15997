/** What does not fit a cluster that runs: each is told why in one line, and the cluster is unharmed. */
import assert from "node:assert/strict";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { startAgent } from "../../src/agent/index.ts";
import type { Agent } from "../../src/agent/index.ts";
import type { ProglogError } from "../../src/base/index.ts";
import { PATIENT, startCluster, TestCluster, until } from "../support/cluster.ts";
import { PROMPT_GOSSIP } from "../support/gossip-profile.ts";
import { hearing } from "../support/heard.ts";
import { runCli } from "../support/server.ts";

const PROMPT = { timing: PATIENT, gossipProfile: PROMPT_GOSSIP };
const bytes = (text: string): Buffer => Buffer.from(text);

test("three servers, and others that would be one of them", async (t) => {
  const heard = hearing();
  const cluster = await startCluster(t, 3, { optionsFor: () => ({ observer: heard.observer }) });
  const leader = await cluster.untilLed();
  await leader.commitLog.append({ value: bytes("before") }, {});
  await cluster.untilEven();

  /** All three are there, and take records. */
  const isUnharmed = async (): Promise<void> => {
    const { replica, commitLog } = await cluster.untilLed();
    await commitLog.append({ value: bytes("still") }, {});
    await cluster.untilEven();
    const voters = replica.status.configuration.voters.map(({ name }) => name);
    assert.deepEqual(voters.toSorted(), ["a", "b", "c"]);
  };
  /** A server beside them; it has to fail by itself. */
  const failing = async (dataDir: string, nodeName: string): Promise<ProglogError> => {
    const failures: ProglogError[] = [];
    const agent: Agent = await startAgent(
      {
        ...{ rpcPort: 0, bindAddr: "127.0.0.1:0", scrubBytesPerSecond: 0, nodeName, dataDir },
        startJoinAddrs: cluster.agents.map(({ gossipAddress }) => gossipAddress),
        gossipKey: [cluster.gossipKey],
      },
      { ...PROMPT, onFailure: (error) => failures.push(error) },
    );
    try {
      await until(() => failures.length > 0, "it goes on as if nothing was wrong");
      return failures[0] ?? assert.fail();
    } finally {
      await agent.close();
    }
  };

  await t.test("a second one of a name that is there", async () => {
    const error = await failing(join(cluster.folder, "second"), "c");
    assert.equal(error.code, "CONFIGURATION");
    assert.match(error.message, /another member is called c: \d of \d say so/);
    await isUnharmed();
  });

  await t.test("a copy of a directory that is in use", async () => {
    const at = cluster.agents.findIndex((agent) => !agent.replica.isLeading);
    const name = TestCluster.nameOf(at);
    await cluster.agents[at]?.close();
    const copy = join(cluster.folder, "copy");
    cpSync(join(cluster.folder, name), copy, { recursive: true });
    await cluster.start(at);
    await isUnharmed();
    const error = await failing(copy, name);
    assert.equal(error.code, "CONFIGURATION");
    assert.match(error.message, new RegExp(`another member is called ${name}`));
    await isUnharmed();
  });

  await t.test("one whose directory belongs to another cluster", async () => {
    const dataDir = join(cluster.folder, "other");
    const settings = { rpcPort: 0, bindAddr: "127.0.0.1:0", dataDir, nodeName: "d" };
    const own = await startAgent({ ...settings, bootstrap: true }, PROMPT);
    await own.commitLog.append({ value: bytes("its own") }, {});
    await own.close();
    const startJoinAddrs = cluster.agents.map(({ gossipAddress }) => gossipAddress);
    const gossipKey = [cluster.gossipKey];
    const again = await startAgent({ ...settings, startJoinAddrs, gossipKey }, PROMPT);
    try {
      await heard.told("peer.connection-ended", ({ peer, reason }) => {
        return peer === "d" && /clusterId/.test(String(reason));
      });
      assert.deepEqual(
        again.replica.status.configuration.voters.map(({ name }) => name),
        ["d"],
      );
      assert.equal(again.commitLog.highWatermark, 1);
    } finally {
      await again.close();
    }
    await isUnharmed();
  });

  await t.test("an import into the directory of one of them", async () => {
    await Promise.all(cluster.agents.splice(0).map((agent) => agent.close()));
    const dataDir = join(cluster.folder, "b");
    const before = await runCli(["log", "dump", dataDir]);
    const input = '{"value":"of nobody"}\n';
    const { code, stdout, stderr } = await runCli(["log", "import", "--data-dir", dataDir], {
      input,
    });
    assert.deepEqual([code, stdout], [78, ""]);
    assert.match(stderr, /is shared with a, c: import to --address of one of the servers/);
    assert.equal((await runCli(["log", "dump", dataDir])).stdout, before.stdout);
  });
});
