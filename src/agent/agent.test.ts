import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { collect, LogClient, produceRequest } from "../../test/support/log-server.ts";
import { startServer } from "../../test/support/server.ts";
import { decodeGetServersResponse } from "../api/index.ts";
import { ProglogError } from "../base/index.ts";
import { connect } from "../client/index.ts";
import { realDisk } from "../log/index.ts";
import type { Disk } from "../log/index.ts";
import { startAgent } from "./agent.ts";
import { completeConfig } from "./config.ts";
import { openDataLog } from "./data-log.ts";

const bytes = (text: string): Buffer => Buffer.from(text);

async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "proglog-agent-"));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const FREE = { rpcPort: 0, httpPort: "auto", bindAddr: "127.0.0.1:0" } as const;

test("a server answers gRPC and HTTP on one port, and HTTP on another", async (t) => {
  const agent = await startServer(t);
  await using client = connect(agent.rpcAddress);
  assert.equal((await client.produce({ value: bytes("hello") })).offset, 0);
  for (const address of [agent.rpcAddress, agent.httpAddress ?? ""]) {
    const response = await fetch(`http://${address}/?offset=0`);
    assert.deepEqual(await response.json(), { record: { value: "aGVsbG8=", offset: 0 } });
    assert.equal((await fetch(`http://${address}/readyz`)).status, 200);
  }
  const { servers } = await client.servers();
  assert.equal(servers.length, 1);
  assert.equal(servers[0]?.rpcAddress, agent.rpcAddress);
  assert.equal(servers[0].httpAddress, agent.httpAddress);
  const metrics = await (await fetch(`http://${agent.rpcAddress}/metrics`)).text();
  assert.match(metrics, /^proglog_log_next_offset 1$/m);
  assert.match(metrics, /^proglog_calls_total\{service="http",method="GET \/",code="200"\} 2$/m);
  assert.match(
    metrics,
    /^proglog_calls_total\{service="log.v1.Log",method="Produce",code="OK"\} 1$/m,
  );
});

test("a server that takes no appends any more names no leader, where nobody took over from it", async (t) => {
  const agent = await startServer(t);
  const client = new LogClient(agent.rpcAddress);
  t.after(() => client.close());
  const leaders = async (): Promise<number> => {
    const answer = decodeGetServersResponse(await client.unary("GetServers", Buffer.alloc(0)));
    return answer.servers.filter(({ isLeader }) => isLeader).length;
  };
  // A call that changes something and has begun keeps its connection until it is answered.
  const call = client.bidirectional("Produce");
  const ended = collect(call);
  assert.equal(await leaders(), 1);
  const closed = agent.close();
  const refused = { code: "UNAVAILABLE", notAppended: true };
  const isRefused = async (): Promise<boolean> => {
    try {
      await client.unary("CreateProducer", Buffer.alloc(0));
      return false;
    } catch (caught) {
      const { code, notAppended } = ProglogError.from(caught);
      assert.deepEqual({ code, notAppended }, refused);
      return true;
    }
  };
  while (!(await isRefused()));
  assert.equal(await leaders(), 0);
  call.end(produceRequest("too late"));
  assert.equal((await ended).error?.notAppended, true);
  await closed;
});

test("records, name and identity outlive the server, and a program may append without a wire", async () => {
  await withFolder(async (dataDir) => {
    const first = await startAgent({ ...FREE, dataDir, nodeName: "first", clusterName: "c" });
    await first.commitLog.append({ value: bytes("kept") }, {});
    const before = first.commitLog.servers();
    await first.close();
    // Neither name is configured now: the directory knows them.
    await using second = await startAgent({ ...FREE, dataDir, fsync: "relaxed" });
    const after = second.commitLog.servers();
    assert.equal(after.clusterId, before.clusterId);
    const [server] = after.servers;
    assert.equal(server?.id, "first");
    assert.equal(server.fsyncRelaxed, true);
    assert.equal(second.commitLog.highWatermark, 1);
    await assert.rejects(startAgent({ ...FREE, dataDir, nodeName: "other" }), {
      code: "LOCKED",
    });
  });
});

test("what cannot start says why, and lets go of everything it had", async () => {
  await withFolder(async (folder) => {
    const dataDir = join(folder, "data");
    const port = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => port.once("listening", resolve));
    const taken = (port.address() as AddressInfo).port;
    const inUse = { code: "ADDRESS_IN_USE", message: new RegExp(`127\\.0\\.0\\.1:${taken}`) };
    await assert.rejects(startAgent({ ...FREE, dataDir, rpcPort: taken }), inUse);
    await assert.rejects(startAgent({ ...FREE, dataDir, httpPort: taken }), inUse);
    await new Promise((resolve) => port.close(resolve));
    await assert.rejects(startAgent({ ...FREE, dataDir, bindAddr: "nowhere" }), {
      code: "CONFIGURATION",
    });
    const aborted = startAgent({ ...FREE, dataDir }, { signal: AbortSignal.abort() });
    await assert.rejects(aborted, { name: "AbortError" });

    // The lock, the log and the port that was free are free again.
    await (await startAgent({ ...FREE, dataDir, rpcPort: taken })).close();

    const meta = join(dataDir, "meta.json");
    const later = (await readFile(meta, "utf8")).replace(
      /"formatVersion": \d+/,
      '"formatVersion": 99',
    );
    await writeFile(meta, later);
    await assert.rejects(startAgent({ ...FREE, dataDir }), { code: "UNSUPPORTED_FORMAT" });
    await assert.rejects(startAgent({ ...FREE, dataDir: meta }), { code: "CONFIGURATION" });
  });
});

test("a server that cannot use its certificates or policy leaves its data directory alone", async () => {
  await withFolder(async (folder) => {
    const dataDir = join(folder, "data");
    const missing = join(folder, "missing");
    const tls = { serverTlsCertFile: missing, serverTlsKeyFile: missing };
    for (const settings of [tls, { aclPolicyFile: missing }]) {
      const error = await startAgent({ ...FREE, dataDir, ...settings }).catch((caught: unknown) =>
        ProglogError.from(caught),
      );
      assert.ok(error instanceof ProglogError);
      assert.equal(error.code, "CONFIGURATION");
      assert.ok(error.message.includes(missing));
      assert.deepEqual(await readdir(folder), []);
    }
  });
});

test("a server whose log was emptied does not begin another in its place (A14)", async () => {
  await withFolder(async (dataDir) => {
    await (await startAgent({ ...FREE, dataDir })).close();
    const logDirectory = join(dataDir, "logs", "default");
    await rm(logDirectory, { recursive: true });
    const refused = { code: "DATA_LOSS", message: /logs.default held a log, and nothing of it/ };
    await assert.rejects(startAgent({ ...FREE, dataDir }), refused);
    await assert.rejects(openDataLog(completeConfig({ dataDir }), { readOnly: true }), refused);
    // With others that have its records it waits for them, again and again, and gives no vote.
    for (let start = 0; start < 2; start++) {
      await using data = await openDataLog(completeConfig({ dataDir }), { hasOthers: true });
      const { damaged, vote, configuration } = data.log.hardState;
      assert.deepEqual([damaged, vote, configuration.voters], [true, 0, []]);
      assert.equal(data.log.recovery.stateLost, start === 0);
    }
  });
});

test("close answers what has begun, ends who follows, and then nobody is answered", async (t) => {
  const agent = await startServer(t);
  await using client = connect(agent.rpcAddress, {
    retry: { attemptsMax: 1, delayMsMin: 1, delayMsMax: 1 },
  });
  await client.produce({ value: bytes("first") });
  const following = client.records({ follow: true });
  assert.equal((await following.next()).done, false);
  const begun = Array.from({ length: 20 }, () => client.produce({ value: bytes("more") }));
  const appended = begun.map((answer) =>
    answer.then(
      () => undefined,
      (error: unknown) => ProglogError.from(error),
    ),
  );
  await begun[0];
  const ended = following.next().then(() => following.next());
  await agent.close();
  for (const outcome of await Promise.all(appended)) {
    // Either it was answered, or it is known that it is not in the log.
    if (outcome !== undefined) assert.equal(outcome.code, "UNAVAILABLE");
  }
  await assert.rejects(
    async () => {
      await ended;
      for await (const record of following) assert.ok(record.offset > 0);
    },
    { code: "UNAVAILABLE" },
  );
  await assert.rejects(client.produce({ value: bytes("late") }), { code: "UNAVAILABLE" });
  await assert.rejects(fetch(`http://${agent.httpAddress ?? ""}/healthz`));
  await agent.close();
});

test("a failed disk is told to the owner, and the server is not ready any more", async () => {
  await withFolder(async (dataDir) => {
    let isBroken = false;
    const disk = brokenWhen(() => isBroken);
    const failures: ProglogError[] = [];
    const onFailure = (error: ProglogError): void => void failures.push(error);
    const agent = await startAgent({ ...FREE, dataDir }, { disk, onFailure });
    const ready = `http://${agent.rpcAddress}/readyz`;
    assert.equal((await fetch(ready)).status, 200);
    isBroken = true;
    await assert.rejects(agent.commitLog.append({ value: bytes("lost") }, {}), {
      code: "STORAGE_FAILED",
    });
    assert.deepEqual(
      failures.map(({ code }) => code),
      ["STORAGE_FAILED"],
    );
    assert.equal((await fetch(ready)).status, 503);
    await agent.close().catch((error: unknown) => {
      assert.equal(ProglogError.from(error).code, "STORAGE_FAILED");
    });
  });
});

/** The real disk, until its syncs fail. */
function brokenWhen(isBroken: () => boolean): Disk {
  return {
    ...realDisk,
    open: async (path, mode) => {
      const file = await realDisk.open(path, mode);
      return {
        read: (into, position) => file.read(into, position),
        write: (content, position) => file.write(content, position),
        truncate: (length) => file.truncate(length),
        size: () => file.size(),
        close: () => file.close(),
        sync: () =>
          isBroken() ? Promise.reject(new Error("EIO: the disk is broken")) : file.sync(),
      };
    },
  };
}
