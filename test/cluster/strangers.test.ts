/** Who is no member, and what becomes of one who was: the cluster is unharmed, and each is told why. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { connect as connectTls } from "node:tls";

import { createAuthority, issueCertificate } from "../../src/auth/index.ts";
import type { ProglogError } from "../../src/base/index.ts";
import { PEER_SERVER_NAME, RAFT_ALPN } from "../../src/transport/index.ts";
import { startCluster, TestCluster, until } from "../support/cluster.ts";
import { clusterCredentials } from "../support/cluster-credentials.ts";
import { hearing } from "../support/heard.ts";

const bytes = (text: string): Buffer => Buffer.from(text);

function votersOf(cluster: TestCluster, at: number): readonly string[] {
  const { voters } = cluster.agents[at]?.replica.status.configuration ?? assert.fail();
  return voters.map(({ name }) => name).toSorted();
}

describe("not let in", { concurrency: true }, () => {
  test("a server of another cluster, by its id", async (t) => {
    const heard = hearing();
    const optionsFor = (at: number) => (at === 0 ? { observer: heard.observer } : {});
    const cluster = new TestCluster(t, { optionsFor });
    const first = await cluster.start(0);
    // It has made a cluster of its own before it met the first.
    const other = await cluster.start(1, { bootstrap: true, startJoinAddrs: [] });
    await first.membership.join([other.gossipAddress]);
    await heard.told("peer.connection-ended", ({ reason }) => /clusterId/.test(String(reason)));
    assert.deepEqual(votersOf(cluster, 0), ["a"]);
    assert.deepEqual(votersOf(cluster, 1), ["b"]);
    await other.commitLog.append({ value: bytes("its own") }, {});
  });

  test("a server of another cluster, by its name", async (t) => {
    const heard = hearing();
    const optionsFor = (at: number) => (at === 0 ? { observer: heard.observer } : {});
    const cluster = new TestCluster(t, { optionsFor });
    await cluster.start(0);
    await cluster.start(1, { clusterName: "other" });
    await heard.told("peer.connection-ended", ({ reason }) => /clusterName/.test(String(reason)));
    assert.deepEqual(votersOf(cluster, 0), ["a"]);
  });

  test("a server whose authority is another", async (t) => {
    const secure = await clusterCredentials(2);
    t.after(() => secure.remove());
    const authority = await createAuthority("of somebody else");
    const heard = hearing();
    const cluster = new TestCluster(t, {
      settingsFor: (at) => secure.settingsFor(at),
      optionsFor: (at) => (at === 0 ? { observer: heard.observer } : {}),
    });
    await cluster.start(0);
    const peer = { authority, kind: "peer", name: "b", clusterName: "proglog" } as const;
    await cluster.start(1, secure.write("stranger", await issueCertificate(peer), authority));
    await heard.told("peer.connection-ended", ({ reason }) => /certificate/.test(String(reason)));
    assert.deepEqual(votersOf(cluster, 0), ["a"]);
  });

  test("a client's certificate, before a byte of the protocol is read", async (t) => {
    const secure = await clusterCredentials(1);
    t.after(() => secure.remove());
    const heard = hearing();
    const cluster = await startCluster(t, 1, {
      settingsFor: secure.settingsFor,
      optionsFor: () => ({ observer: heard.observer }),
    });
    const port = Number((await cluster.untilLed()).rpcAddress.split(":")[1]);
    const socket = connectTls({
      ...secure.root,
      port,
      servername: PEER_SERVER_NAME,
      checkServerIdentity: () => undefined,
      ALPNProtocols: [RAFT_ALPN],
    });
    await once(socket, "secureConnect");
    assert.equal(socket.alpnProtocol, RAFT_ALPN);
    await once(socket.resume(), "close");
    await heard.told("peer.refused", ({ reason }) => /no server's/.test(String(reason)));
  });
});

describe("a server that was there before", { concurrency: true }, () => {
  test("is told that it was removed, where it runs and when it returns", async (t) => {
    const failures: ProglogError[] = [];
    const onFailure = (error: ProglogError): void => void failures.push(error);
    const optionsFor = (at: number) => (at === 2 ? { onFailure } : {});
    const cluster = await startCluster(t, 3, { optionsFor });
    const leader = await cluster.untilLed();
    const gone = cluster.agents[2] ?? assert.fail();
    assert.notEqual(leader, gone);
    await leader.replica.members.remove(gone.replica.replicaId);
    await until(() => failures.length > 0, "it was not told");
    assert.equal(failures[0]?.code, "REMOVED");
    await gone.close();
    failures.length = 0;
    await cluster.start(2);
    await until(() => failures.length > 0, "it was not told when it returned");
    assert.equal(failures[0].code, "REMOVED");
    assert.deepEqual(votersOf(cluster, 0), ["a", "b"]);
  });

  test("goes on where it was, all of them at new addresses, and bootstrap is no error", async (t) => {
    const cluster = await startCluster(t, 3);
    const leader = await cluster.untilLed();
    await leader.commitLog.append({ value: bytes("kept") }, {});
    await cluster.untilEven();
    const before = leader.commitLog.servers().clusterId;
    await Promise.all(cluster.agents.map((agent) => agent.close()));
    for (const at of [0, 1, 2]) await cluster.start(at, { bootstrap: at === 0 });
    const led = await cluster.untilLed();
    await led.commitLog.append({ value: bytes("new") }, {});
    await until(
      () => cluster.agents.every(({ commitLog }) => commitLog.highWatermark === 2),
      "not all have both",
    );
    assert.equal(led.commitLog.servers().clusterId, before);
    assert.deepEqual(votersOf(cluster, 0), ["a", "b", "c"]);
  });
});
