/** The test of a deployment, itself tested: it passes where all servers have all, and only there. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FakeCluster } from "../client/testing/fake-cluster.ts";
import { startCluster } from "../../test/support/cluster.ts";
import { runCli, startServer } from "../../test/support/server.ts";

describe("proglog smoke", () => {
  test("reads what it appended from each of three servers", async (t) => {
    const cluster = await startCluster(t, 3);
    const leader = await cluster.untilLed();
    const [follower] = cluster.agents.filter((agent) => agent !== leader);
    const address = follower?.rpcAddress ?? "";
    const args = ["smoke", "--address", address, "--servers", "3", "--records", "4"];
    const { code, stdout, stderr } = await runCli(args);
    assert.equal(code, 0, stderr);
    const [headings = "", ...rows] = stdout.trimEnd().split("\n");
    assert.match(headings, /^id +rpc address +leads +records read back/);
    assert.equal(rows.length, 3);
    for (const { rpcAddress } of cluster.agents) assert.ok(stdout.includes(rpcAddress));
    assert.equal(leader.commitLog.highWatermark, 4);
  });

  test("fails where servers are missing, and says which are there", async (t) => {
    const { rpcAddress } = await startServer(t, { nodeName: "alone" });
    const args = ["smoke", "--address", rpcAddress, "--servers", "3", "--timeout", "0.5"];
    const { code, stdout, stderr } = await runCli(args);
    assert.deepEqual({ code, stdout }, { code: 1, stdout: "" });
    assert.match(stderr, /servers of the cluster: 1 \(alone\), and there should be 3/);
    const json = await runCli(["smoke", "--address", rpcAddress, "--json"]);
    assert.equal((JSON.parse(json.stdout) as { records: number }).records, 10);
  });

  test("waits until it is known where every server is, as after a start", async () => {
    await using cluster = await FakeCluster.start(1);
    const [server] = cluster.servers;
    assert(server !== undefined);
    cluster.listedAt.set(server, "");
    const args = ["smoke", "--address", server.address, "--records", "2"];
    const { code, stderr } = await runCli([...args, "--timeout", "0.5"]);
    assert.equal(code, 1);
    assert.match(stderr, /nobody there knows yet where 127\.0\.0\.1:\d+ is/);
    const { onGetServers } = server;
    let asked = 0;
    server.onGetServers = () => {
      asked += 1;
      if (asked > 2) cluster.listedAt.delete(server);
      return onGetServers();
    };
    const later = await runCli(args);
    assert.equal(later.code, 0, later.stderr);
  });

  test("fails where nobody may append", async () => {
    const args = ["smoke", "--address", "127.0.0.1:1", "--timeout", "0.5"];
    const { code, stderr } = await runCli(args);
    assert.equal(code, 1);
    assert.match(stderr, /127\.0\.0\.1:1/);
  });
});
