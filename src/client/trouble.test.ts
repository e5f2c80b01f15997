/** What a client does, and says, when the world is not as it should be. */
import assert from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { ServerCredentials } from "@grpc/grpc-js";
import { createAuthority, issueCertificate, type KeyPairPem } from "../auth/index.ts";
import { limits, ProglogError } from "../base/index.ts";
import { type Client, connect, type ConnectOptions } from "./index.ts";
import { RetryBudget } from "./retry.ts";
import { FakeCluster } from "./testing/fake-cluster.ts";
import { FakeLogServer } from "./testing/fake-log-server.ts";

const FAST = { attemptsMax: 3, delayMsMin: 1, delayMsMax: 20 };
const PATIENT = { attemptsMax: 10_000, delayMsMin: 10, delayMsMax: 50 };

async function withServer(
  run: (server: FakeLogServer, client: Client) => Promise<void>,
  options: ConnectOptions = {},
): Promise<void> {
  await using server = await FakeLogServer.start();
  await using client = connect(server.address, { retry: FAST, ...options });
  await run(server, client);
}

describe("a server that answers and never commits", () => {
  test("costs a call its time, and leaves the outcome open", async () => {
    await using server = await FakeLogServer.start();
    await using client = connect(server.address, { retry: FAST, timeoutMs: 2_000 });
    server.holds = true;
    await assert.rejects(client.produce({ value: null }), {
      code: "DEADLINE_EXCEEDED",
      notAppended: false,
    });
    assert.equal(server.calls.get("Produce"), 1, "what may have been appended is not sent again");
  });

  test("costs a producer its time, and it says which records are in doubt", () =>
    withServer(
      async (server, client) => {
        server.onBatch = () => undefined;
        const producer = client.producer({ deliveryTimeoutMs: 500 });
        const sent = await producer.send({ value: null });
        await assert.rejects(sent.ack, { code: "UNAVAILABLE", notAppended: false });
        await assert.rejects(producer.close(), { code: "UNAVAILABLE" });
        assert.equal(server.next, 0);
      },
      { timeoutMs: 200 },
    ));
});

describe("records that are too large, or gone", () => {
  test("one in the middle is refused alone, before anything is sent", () =>
    withServer(async (server, client) => {
      await using producer = client.producer();
      await producer.send({ value: Buffer.from("before") });
      const large = producer.send({ value: Buffer.alloc(limits.recordBytesMax + 1) });
      await assert.rejects(large, { code: "RECORD_TOO_LARGE" });
      await producer.send({ value: Buffer.from("after") });
      await producer.flush();
      assert.deepEqual(server.values, ["before", "after"]);
    }));

  test("a reader below the log's start is told where it begins, and not kept trying", () =>
    withServer(async (server, client) => {
      server.add("0", "1");
      server.add("2");
      server.lowest = 2;
      const told = (error: ProglogError): boolean => {
        assert.equal(error.code, "OFFSET_OUT_OF_RANGE");
        assert.deepEqual([error.details["lowest"], error.details["next"]], ["2", "3"]);
        return true;
      };
      await assert.rejects(client.records({ from: 0 }).next(), told);
      await assert.rejects(client.records({ from: 0, follow: true }).next(), told);
      assert.equal(server.calls.get("ConsumeBatches"), 1);
      assert.equal((await client.records({ from: "start" }).next()).value?.offset, 2);
    }));

  test("one that retention overtakes in mid-stream is told the same", () =>
    withServer(async (server, client) => {
      server.add("0");
      const following = client.records({ follow: true });
      await following.next();
      const next = following.next();
      server.onMessage = () => {
        server.lowest = 2;
      };
      server.add("1");
      await assert.rejects(next, { code: "OFFSET_OUT_OF_RANGE" });
    }));
});

describe("certificates in files", () => {
  const authority = createAuthority("the authority");

  /** Valid until so many milliseconds from now. */
  async function issue(untilMs: number): Promise<KeyPairPem> {
    const days = 1;
    // Certificates are made a little longer, for clocks that are behind.
    const validMs = days * 86_400_000 + 300_000;
    const notBefore = new Date(Date.now() - validMs + untilMs);
    return issueCertificate({
      ...{ authority: await authority, kind: "client", name: "root", notBefore, days },
    });
  }

  function write(folder: string, { cert, key }: KeyPairPem): void {
    for (const [name, pem] of Object.entries({ cert, key })) {
      // As tools do it that replace a file under its readers.
      writeFileSync(join(folder, `${name}.new`), pem);
      renameSync(join(folder, `${name}.new`), join(folder, `${name}.pem`));
    }
  }

  async function startSecure(): Promise<FakeLogServer> {
    const ca = await authority;
    const hosts = ["127.0.0.1"];
    const own = await issueCertificate({ authority: ca, kind: "server", name: "server", hosts });
    const pair = { cert_chain: Buffer.from(own.cert), private_key: Buffer.from(own.key) };
    const credentials = ServerCredentials.createSsl(Buffer.from(ca.cert), [pair], true);
    return FakeLogServer.start(credentials);
  }

  test("one that expires in mid-stream stops the next connection, and a new one is taken up", async () => {
    const folder = mkdtempSync(join(tmpdir(), "proglog-client-tls-"));
    try {
      await using server = await startSecure();
      const file = (name: string): string => join(folder, `${name}.pem`);
      writeFileSync(file("ca"), (await authority).cert);
      const expiresMs = Date.now() + 3_000;
      write(folder, await issue(3_000));
      const tls = { caFile: file("ca"), certFile: file("cert"), keyFile: file("key") };
      await using client = connect(server.address, { tls, retry: PATIENT });
      server.add("0");
      const following = client.records({ follow: true });
      assert.equal((await following.next()).value?.offset, 0);

      await new Promise((resolve) => setTimeout(resolve, expiresMs + 1_000 - Date.now()));
      server.add("1");
      assert.equal((await following.next()).value?.offset, 1, "what runs goes on");
      server.kill();
      await server.restart();
      await using impatient = connect(server.address, { tls, retry: FAST });
      await assert.rejects(impatient.read(0), (error: unknown) => {
        assert.ok(error instanceof ProglogError);
        assert.equal(error.code, "UNAVAILABLE", error.message);
        return true;
      });
      const next = following.next();
      write(folder, await issue(3_600_000));
      server.add("2");
      assert.equal((await next).value?.offset, 2);
      await following.return();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("files that are not there, or hold nothing, are refused at once", async () => {
    assert.throws(() => connect("127.0.0.1:1", { tls: { caFile: "/nowhere/ca.pem" } }), {
      code: "CONFIGURATION",
    });
    const { cert } = await authority;
    assert.throws(() => connect("127.0.0.1:1", { tls: { ca: cert, cert } }), {
      code: "CONFIGURATION",
    });
    assert.throws(() => connect("not an address"), { code: "INVALID_ARGUMENT" });
  });
});

describe("many that fail together", () => {
  test("share a budget of repetitions", () => {
    const budget = new RetryBudget();
    const waits = Array.from({ length: 1_000 }, () => budget.take(10_000));
    const atOnce = waits.filter((ms) => ms === 0).length;
    assert.ok(atOnce <= limits.retriesBurstMax + 1, `${atOnce} at once`);
    const last = waits.at(-1) ?? 0;
    assert.ok(Math.abs(last - (1_000 * (1_000 - atOnce)) / limits.retriesPerSecondMax) < 50);
    assert.equal(budget.take(1_000_000), 0, "a quiet time fills it again");
  });

  test("leave nothing open when the client is closed", async () => {
    const sockets = (): number =>
      process.getActiveResourcesInfo().filter((name) => name.startsWith("TCP")).length;
    const before = sockets();
    const cluster = await FakeCluster.start(3);
    cluster.elect(undefined);
    const client = connect(cluster.address, { retry: FAST });
    const produced = Array.from({ length: 100 }, () => client.produce({ value: null }));
    const following = client.records({ from: 0, follow: true }).next();
    await new Promise((resolve) => setTimeout(resolve, 50));
    await client.close();
    const outcomes = await Promise.allSettled([...produced, following]);
    for (const outcome of outcomes) {
      assert.equal(outcome.status, "rejected");
      assert.ok(["CLOSED", "NOT_LEADER"].includes((outcome.reason as ProglogError).code));
    }
    await cluster[Symbol.asyncDispose]();
    while (sockets() > before) await new Promise((resolve) => setImmediate(resolve));
  });
});
