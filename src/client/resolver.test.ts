/** What the book's resolver and picker promise, and what they do when servers are wrong or gone. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createConnection, createServer, type Socket } from "node:net";
import { describe, test } from "node:test";
import {
  type ChannelOptions,
  Client as GrpcClient,
  credentials,
  ServerCredentials,
} from "@grpc/grpc-js";
import {
  encodeConsumeRequest,
  encodeGetOffsetsRequest,
  encodeProduceRequest,
  fromServiceError,
  LOG_METHODS,
  type LogMethodName,
} from "../api/index.ts";
import { createAuthority, issueCertificate, type KeyPairPem } from "../auth/index.ts";
import { ProglogError } from "../base/index.ts";
import { SERVERS_INTERVAL_OPTION } from "./balancer.ts";
import { connect, registerScheme } from "./index.ts";
import { CONNECT_TIMEOUT_OPTION } from "./server-connection.ts";
import { FakeCluster } from "./testing/fake-cluster.ts";
import type { FakeLogServer } from "./testing/fake-log-server.ts";

const FAST = { attemptsMax: 3, delayMsMin: 1, delayMsMax: 20 };
const EMPTY = Buffer.alloc(0);
const RECORD = { record: { value: EMPTY }, log: "", expectedOffset: undefined, stamp: undefined };
const RANGE = {
  offset: 0,
  log: "",
  linearizable: false,
  minOffset: undefined,
  maxRecords: 0,
  maxBytes: 0,
};
const REQUESTS: Partial<Record<LogMethodName, Buffer>> = {
  Produce: encodeProduceRequest(RECORD),
  Consume: encodeConsumeRequest(RANGE),
  GetOffsets: encodeGetOffsetsRequest({ timestampMs: undefined, log: "" }),
};

/** A channel as anybody makes one. */
class PlainChannel implements Disposable {
  readonly grpc: GrpcClient;

  constructor(target: string, options: ChannelOptions = {}) {
    registerScheme();
    const own = { "grpc.use_local_subchannel_pool": 1, "grpc.initial_reconnect_backoff_ms": 50 };
    this.grpc = new GrpcClient(target, credentials.createInsecure(), { ...own, ...options });
  }

  call(name: LogMethodName): Promise<Buffer> {
    const { path, requestSerialize, responseDeserialize } = LOG_METHODS[name];
    const request = REQUESTS[name] ?? EMPTY;
    return new Promise((resolve, reject) => {
      this.grpc.makeUnaryRequest(
        ...[path, requestSerialize, responseDeserialize, request],
        (error, answer) => {
          if (answer === undefined) reject(fromServiceError(error));
          else resolve(answer);
        },
      );
    });
  }

  [Symbol.dispose](): void {
    this.grpc.close();
  }
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}

function add(...servers: readonly FakeLogServer[]): void {
  for (const server of servers) server.add("a record");
}

describe("a plain grpc-js channel to proglog://", () => {
  test("finds the leader by any server, and appends go to it", async () => {
    await using cluster = await FakeCluster.start(3);
    const [first, second] = cluster.servers;
    cluster.elect(second);
    using channel = new PlainChannel(`proglog://${first?.address}`);
    for (let i = 0; i < 6; i++) await channel.call("Produce");
    await channel.call("CreateProducer");
    assert.deepEqual(cluster.calls("Produce"), [0, 6, 0]);
    assert.deepEqual(cluster.calls("CreateProducer"), [0, 1, 0]);
  });

  // As at the address of a server that has gone, while its name has another already.
  test("an attempt to connect that leads nowhere is left, and the next finds the server", async () => {
    await using cluster = await FakeCluster.start(1);
    const [server] = cluster.servers;
    const sockets: Socket[] = [];
    const door = createServer((socket) => {
      sockets.push(socket.on("error", () => undefined));
      if (sockets.length === 1) return;
      const inner = createConnection(Number(server?.address.split(":").at(-1)), "127.0.0.1");
      sockets.push(inner.on("error", () => undefined));
      socket.pipe(inner).pipe(socket);
    });
    await once(door.listen(0, "127.0.0.1"), "listening");
    const { port } = door.address() as AddressInfo;
    using channel = new PlainChannel(`proglog://127.0.0.1:${port}`, {
      [CONNECT_TIMEOUT_OPTION]: 100,
    });
    const isDone = (): Promise<boolean> => {
      return channel.call("Produce").then(
        () => true,
        () => false,
      );
    };
    await until(isDone);
    assert.deepEqual(cluster.calls("Produce"), [1]);
    for (const socket of sockets) socket.destroy();
    door.close();
  });

  test("reads go to the followers in turn", async () => {
    await using cluster = await FakeCluster.start(3);
    add(...cluster.servers);
    using channel = new PlainChannel(`proglog:///${cluster.address}`);
    for (let i = 0; i < 10; i++) await channel.call("Consume");
    const [leader, ...followers] = cluster.calls("Consume");
    assert.equal(leader, 0);
    assert.deepEqual(followers.toSorted(), [5, 5]);
  });

  test("reads go to the leader when it is alone", async () => {
    await using cluster = await FakeCluster.start(1);
    add(...cluster.servers);
    using channel = new PlainChannel(`proglog://${cluster.address}`);
    await channel.call("Consume");
    await channel.call("Produce");
    assert.deepEqual(cluster.calls("Consume"), [1]);
  });

  test("other calls go to any server that is there", async () => {
    await using cluster = await FakeCluster.start(3);
    using channel = new PlainChannel(`proglog://${cluster.address}`);
    await until(async () => {
      await channel.call("GetOffsets");
      return cluster.calls("GetOffsets").every((count) => count > 0);
    });
  });

  test("with no server there, a call fails at once and says that nothing was appended", async () => {
    const cluster = await FakeCluster.start(2);
    await cluster[Symbol.asyncDispose]();
    using channel = new PlainChannel(`proglog://${cluster.address}`);
    await assert.rejects(channel.call("Produce"), (error: ProglogError) => {
      assert.equal(error.code, "UNAVAILABLE");
      assert.equal(error.notAppended, true);
      for (const { address } of cluster.servers) assert.ok(error.message.includes(address));
      assert.match(error.message, /ECONNREFUSED/);
      return true;
    });
  });

  test("asks again by its timer, and finds a leader that nobody spoke of", async () => {
    await using cluster = await FakeCluster.start(2);
    const [first, second] = cluster.servers;
    using channel = new PlainChannel(`proglog://${cluster.address}`, {
      [SERVERS_INTERVAL_OPTION]: 20,
    });
    await channel.call("Produce");
    cluster.elect(second);
    const asked = cluster.calls("GetServers").reduce((a, b) => a + b);
    await until(() => cluster.calls("GetServers").reduce((a, b) => a + b) >= asked + 2);
    await channel.call("Produce");
    assert.deepEqual([first?.next, second?.next], [1, 1]);
  });

  test("addresses that are none are refused", () => {
    for (const address of [
      "proglog://",
      "proglog://a b:1",
      "proglog://a:0",
      "proglog://a:1,,b:2",
    ]) {
      assert.throws(() => new PlainChannel(address), /is not a server's host:port/);
    }
  });
});

describe("our client in a cluster", () => {
  test("follows the leader when the old one says that it leads no more", async () => {
    await using cluster = await FakeCluster.start(3);
    await using client = connect(cluster.address, { retry: FAST });
    await client.produce({ value: null });
    cluster.elect(cluster.servers[2]);
    await client.produce({ value: null });
    assert.deepEqual(
      cluster.servers.map(({ next }) => next),
      [1, 0, 1],
    );
  });

  test("follows the leader when the old one is gone", async () => {
    await using cluster = await FakeCluster.start(3);
    const [first, second] = cluster.servers;
    await using client = connect(`${first?.address}`, { retry: FAST });
    await client.produce({ value: null });
    first?.kill();
    cluster.elect(second);
    // A call that was on its way when the connection broke: nobody knows what became of it.
    await client.produce({ value: null }).catch((error: unknown) => {
      assert.ok(error instanceof ProglogError && !error.notAppended);
    });
    await client.produce({ value: null });
    assert.ok((second?.next ?? 0) > 0);
  });

  test("goes on at another server where one is about to end, and is no leader's", async () => {
    await using cluster = await FakeCluster.start(3);
    add(...cluster.servers);
    const [leader, ending, staying] = cluster.servers as [
      FakeLogServer,
      FakeLogServer,
      FakeLogServer,
    ];
    const goodbye = (name: string): void => {
      if (name !== "Consume" && name !== "Produce") return;
      throw new ProglogError("UNAVAILABLE", "it ends", { notAppended: true });
    };
    ending.onCall = goodbye;
    await using client = connect(cluster.address, { retry: FAST });
    for (let i = 0; i < 10; i++) await client.read(0);
    // Once more when it was passed over long enough, which it is not where the machine is not slow.
    const [, refused = 0, read] = cluster.calls("Consume");
    assert.ok(refused >= 1 && refused < 5, `${refused} refused`);
    assert.equal(read, 10);

    // The others still name a leader that ends and could not hand over; they hand on what comes to them.
    leader.onCall = goodbye;
    ending.onCall = () => undefined;
    staying.onCall = () => undefined;
    for (let i = 0; i < 10; i++) await client.produce({ value: null });
    const [refusedByLeader = 0, ...handedOn] = cluster.calls("Produce");
    assert.ok(refusedByLeader >= 1 && refusedByLeader < 5, `${refusedByLeader} refused`);
    assert.equal(
      handedOn.reduce((a, b) => a + b),
      10,
    );
  });

  test("waits while nobody leads", async () => {
    await using cluster = await FakeCluster.start(2);
    await using client = connect(cluster.address, { retry: FAST });
    await client.produce({ value: null });
    cluster.elect(undefined);
    const waiting = client.produce({ value: null });
    await until(() => cluster.calls("Produce").reduce((a, b) => a + b) > 2 * FAST.attemptsMax);
    cluster.elect(cluster.servers[1]);
    await waiting;
  });

  test("gives up on servers that name each other as the leader, and says that nothing was appended", async () => {
    await using cluster = await FakeCluster.start(2);
    cluster.elect(undefined);
    const [first, second] = cluster.servers as [FakeLogServer, FakeLogServer];
    first.onGetServers = () => ({
      ...{ clusterId: "c", term: 9 },
      servers: [cluster.listing(first), cluster.listing(second, true)],
    });
    second.onGetServers = () => ({
      ...{ clusterId: "c", term: 2 ** 52 },
      servers: [cluster.listing(first, true), cluster.listing(second)],
    });
    await using client = connect(cluster.address, { retry: FAST, timeoutMs: 1_000 });
    await assert.rejects(client.produce({ value: null }), (error: ProglogError) => {
      assert.equal(error.code, "NOT_LEADER");
      assert.equal(error.notAppended, true);
      return true;
    });
    const asked = cluster.calls("GetServers").reduce((a, b) => a + b);
    assert.ok(asked < 40, `${asked} questions`);
  });

  test("is not led astray by a liar, nor by a list of servers that are none", async () => {
    await using cluster = await FakeCluster.start(3);
    const [first, second, liar] = cluster.servers as [FakeLogServer, FakeLogServer, FakeLogServer];
    liar.onGetServers = () => ({
      clusterId: "c",
      term: Number.MAX_SAFE_INTEGER,
      servers: [
        cluster.listing(liar, true),
        ...["", "no port at all: ", "256.1.1.1:70000", "nobody.invalid:1"].map((rpcAddress) => ({
          ...cluster.listing(first, false),
          rpcAddress,
        })),
      ],
    });
    await using client = connect([liar, first, second].map(({ address }) => address).join(","), {
      retry: FAST,
    });
    for (let i = 0; i < 20; i++) await client.produce({ value: null });
    assert.equal(first.next, 20);
  });

  test("tells of names that stand for nothing", async () => {
    await using client = connect("nobody.invalid:1,also-nobody.invalid:2", { retry: FAST });
    await assert.rejects(client.servers(), (error: ProglogError) => {
      assert.equal(error.code, "UNAVAILABLE");
      assert.match(error.message, /nobody\.invalid:1: .*also-nobody\.invalid:2: /);
      return true;
    });
  });

  test("works where servers do not say who they are, or where else they can be reached", async () => {
    await using cluster = await FakeCluster.start(1);
    const [only] = cluster.servers as [FakeLogServer];
    await using client = connect(only.address, { retry: FAST });
    only.onGetServers = () => {
      throw new ProglogError("UNKNOWN_METHOD", "an older server");
    };
    await client.produce({ value: null });
    // As behind a tunnel: the cluster's own address leads nowhere from here.
    cluster.listedAt.set(only, "nobody.invalid:1");
    only.onGetServers = () => ({ clusterId: "c", term: 7, servers: [cluster.listing(only)] });
    await using other = connect(only.address, { retry: FAST });
    await other.produce({ value: null });
    await other.read(0);
    assert.equal(only.next, 2);
  });
});

describe("TLS in a cluster", () => {
  const ca = createAuthority("the authority");

  async function serverFor(...hosts: readonly string[]): Promise<ServerCredentials> {
    const authority = await ca;
    const pair = await issueCertificate({ authority, kind: "server", name: "server", hosts });
    return credentialsOf(authority, pair);
  }

  function credentialsOf(authority: KeyPairPem, { cert, key }: KeyPairPem): ServerCredentials {
    const pair = { cert_chain: Buffer.from(cert), private_key: Buffer.from(key) };
    return ServerCredentials.createSsl(Buffer.from(authority.cert), [pair], false);
  }

  test("each server is checked under the name it is listed by", async () => {
    const [byAddress, byName] = [await serverFor("127.0.0.1"), await serverFor("localhost")];
    await using cluster = await FakeCluster.start(2, [byAddress, byName]);
    const [first, second] = cluster.servers as [FakeLogServer, FakeLogServer];
    cluster.listedAt.set(second, second.address.replace("127.0.0.1", "localhost"));
    cluster.elect(second);
    add(first);
    await using client = connect(first.address, { retry: FAST, tls: { ca: (await ca).cert } });
    await client.produce({ value: null });
    await client.read(0);
    assert.deepEqual(cluster.calls("Produce"), [0, 1]);
    assert.deepEqual(cluster.calls("Consume"), [1, 0]);
  });

  test("a server with another's name, or of another authority, is not talked to", async () => {
    const [wrong, right] = [await serverFor("somebody-else"), await serverFor("127.0.0.1")];
    await using cluster = await FakeCluster.start(2, [wrong, right]);
    const [imposter] = cluster.servers as [FakeLogServer];
    const { cert } = await ca;
    await using client = connect(imposter.address, { retry: FAST, tls: { ca: cert } });
    await assert.rejects(client.servers(), (error: ProglogError) => {
      assert.equal(error.code, "UNAVAILABLE");
      assert.match(error.message, /127\.0\.0\.1/);
      return true;
    });
    const other = await createAuthority("another");
    await using stranger = connect(cluster.address, { retry: FAST, tls: { ca: other.cert } });
    await assert.rejects(stranger.servers(), { code: "UNAVAILABLE" });
    assert.deepEqual(cluster.calls("GetServers"), [0, 0]);
  });
});
