import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import fc from "fast-check";
import { limits, putU32 } from "../base/index.ts";
import type { Entry } from "../log/index.ts";
import { FrameReader, RAFT_MAGIC } from "./peer-frame.ts";
import type { Frame } from "./peer-frame.ts";
import { decodeAnswer, encodeHello } from "./peer-hello.ts";
import type { Hello, HelloAnswer, PeerIdentity } from "./peer-hello.ts";
import { pingFrame, RaftCodec } from "./raft-codec.ts";
import { logWire, recordsEntry } from "./testing/peer-messages.ts";
import { CLUSTER_ID, ManualClock, PeerServer, roundsOf, until } from "./testing/peer-server.ts";
import type { PeerServerOptions } from "./testing/peer-server.ts";

const codec = new RaftCodec<Entry>(logWire);

/** The server that the others speak to. */
async function listening(
  t: TestContext,
  own: Partial<PeerServerOptions> = {},
): Promise<PeerServer> {
  const server = new PeerServer(new Map(), { name: "two", replicaId: 2, ...own });
  // Also when the test fails: what stays open would keep the process.
  t.after(() => server.close());
  return server.listen();
}

/** A connection in the hands of the test. */
function dial(server: PeerServer): Socket {
  const socket = connect(server.mux.address.port, "127.0.0.1");
  socket.on("error", () => undefined);
  return socket;
}

function write(socket: Socket, frame: Frame): void {
  for (const part of frame.parts) socket.write(part);
}

/** Resolves when a connection is closed, by whatever. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.resume().once("close", () => resolve()));
}

const one: PeerIdentity = {
  clusterName: "proglog",
  clusterId: CLUSTER_ID,
  name: "one",
  replicaId: 1,
  featureLevelMax: 1,
  damaged: false,
};
const hello: Hello = {
  protocolMin: 1,
  protocolMax: 1,
  lane: "data",
  from: one,
  to: { name: "two", replicaId: 2 },
  log: "default",
};

async function answerTo(socket: Socket): Promise<HelloAnswer> {
  const reader = new FrameReader(limits.peerHelloBytesMax);
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    for (const body of reader.read(chunk as Buffer)) return decodeAnswer(body);
  }
  return assert.fail("closed without an answer");
}

async function greeted(server: PeerServer, value: Hello): Promise<Socket> {
  const socket = dial(server);
  write(socket, encodeHello(value));
  assert.equal((await answerTo(socket)).kind, "welcome");
  return socket;
}

function heartbeat(readRound: number): Frame {
  const ends = { from: 1, to: 2 };
  const message = { kind: "heartbeat", ...ends, term: 1, commit: 0, readRound } as const;
  return codec.encode({
    kind: "raft",
    log: "default",
    ...ends,
    message,
    entries: [],
    freeBytes: 0,
  });
}

function fetched(bytes: number): Frame {
  const entries = [recordsEntry(1, bytes)];
  return codec.encode({
    kind: "fetchedEntries",
    log: "default",
    from: 1,
    to: 2,
    request: 1,
    entries,
  });
}

describe("who is let in", () => {
  type Case = readonly [
    refusal: string,
    whom: string,
    own: Partial<PeerServerOptions>,
    said: Partial<Hello>,
  ];
  const cases: readonly Case[] = [
    ["protocol", "who speaks only newer versions", {}, { protocolMin: 2, protocolMax: 3 }],
    ["protocol", "who speaks only older versions", {}, { protocolMin: 0, protocolMax: 0 }],
    ["clusterName", "another cluster by name", {}, { from: { ...one, clusterName: "other" } }],
    [
      "clusterName",
      "another cluster by name, without an id",
      {},
      { from: { ...one, clusterName: "other", clusterId: "" } },
    ],
    ["clusterId", "another cluster by id", {}, { from: { ...one, clusterId: "f".repeat(32) } }],
    ["recipient", "who looks for another server", {}, { to: { name: "three", replicaId: 2 } }],
    [
      "replica",
      "who looks for an earlier replica of this name",
      {},
      { to: { name: "two", replicaId: 3 } },
    ],
    [
      "identity",
      "whose certificate names another",
      { identify: () => ({ kind: "peer", name: "three" }) },
      {},
    ],
    ["identity", "who is this very replica", {}, { from: { ...one, replicaId: 2 } }],
    ["identity", "who has no id", {}, { from: { ...one, replicaId: 0 } }],
    ["identity", "whose name could not be one", {}, { from: { ...one, name: "a.b" } }],
    ["log", "who speaks of another log", {}, { log: "another" }],
    [
      "removed",
      "who was removed",
      { refuses: () => ({ refusal: "removed", text: "you were removed" }) },
      {},
    ],
  ];
  for (const [refusal, whom, own, said] of cases) {
    test(`refused: ${whom} (${refusal})`, async (t) => {
      const server = await listening(t, own);
      const socket = dial(server);
      write(socket, encodeHello({ ...hello, ...said }));
      const answer = await answerTo(socket);
      assert.ok(answer.kind === "refused", "welcome");
      assert.equal(answer.refusal, refusal);
      assert.notEqual(answer.text, "");
      write(socket, heartbeat(1));
      await closed(socket);
      assert.deepEqual([server.received.length, server.hellos.length], [0, 0]);
      await server.close();
    });
  }

  test("a version in common is found, and an unknown id of the other side passes", async (t) => {
    const server = await listening(t);
    const socket = dial(server);
    write(socket, encodeHello({ ...hello, protocolMax: 9, to: { name: "two", replicaId: 0 } }));
    const answer = await answerTo(socket);
    assert.ok(answer.kind === "welcome");
    assert.deepEqual([answer.protocol, answer.from], [1, server.identity]);
    socket.destroy();
    await server.close();
  });

  test("the certificate decides before a byte is read", async (t) => {
    const server = await listening(t, {
      identify: (socket) => {
        assert.equal(socket.bytesWritten, 0);
        return { kind: "refused", reason: "a client" };
      },
    });
    const socket = dial(server);
    write(socket, encodeHello(hello));
    let answered = 0;
    socket.on("data", (chunk) => (answered += chunk.length));
    await closed(socket);
    assert.deepEqual([answered, server.received.length, server.listener.connections], [0, 0, 0]);
    await server.close();
  });

  test("who belongs to no cluster may ask, and say nothing else", async (t) => {
    const from = { ...one, clusterId: "" };
    const server = await listening(t);
    const asking = await greeted(server, { ...hello, from });
    const question = { log: "default", from: 1, to: 2, call: 4, method: 1, payload: Buffer.of(1) };
    write(asking, codec.encode({ kind: "call", ...question }));
    await until(() => server.received.length === 1);
    write(asking, fetched(1));
    await closed(asking);
    assert.equal(server.received.length, 1);
    await server.close();
  });

  test("a server without a cluster takes everything from its first leader", async (t) => {
    const server = await listening(t, { identity: { clusterId: "" } });
    const socket = await greeted(server, hello);
    write(socket, fetched(1));
    await until(() => server.received.length === 1);
    assert.equal(server.hellos[0]?.from.clusterId, CLUSTER_ID);
    socket.destroy();
    await server.close();
  });

  test("a refused server is told why, and comes back slowly", async () => {
    const ports = new Map<string, number>();
    const other = { clusterId: "f".repeat(32) };
    const b = await new PeerServer(ports, { name: "two", replicaId: 2, identity: other }).listen();
    const lines: unknown[] = [];
    const observer = {
      log: (...line: unknown[]) => void lines.push(line),
      count: () => undefined,
      gauge: () => undefined,
      measure: () => undefined,
    };
    const clock = new ManualClock();
    const a = new PeerServer(ports, { name: "one", replicaId: 1, observer, clock });
    a.connect(b);
    await until(() => lines.length === 2);
    assert.match(JSON.stringify(lines), /peer\.connection-ended.*"two".*refused \(clusterId\)/);
    clock.advance(limits.peerRetryMsMax / 2 - 1);
    assert.equal(a.dialled.length, 2);
    clock.advance(limits.peerRetryMsMax / 2 + 1);
    await until(() => a.answers.length === 4);
    assert.equal(lines.length, 2, "the same reason is told once");
    await a.links.close();
    await b.close();
  });
});

describe("what is not understood", () => {
  test("noise after the magic is cut, and nobody else is harmed", async (t) => {
    const server = await listening(t);
    const good = await greeted(server, { ...hello, lane: "control" });
    const noises = fc.sample(fc.uint8Array({ minLength: 1, maxLength: 300 }), 40);
    for (const noise of noises) {
      const socket = dial(server);
      socket.end(Buffer.concat([RAFT_MAGIC, noise]));
      await closed(socket);
    }
    write(good, heartbeat(5));
    await until(() => roundsOf(server).includes(5));
    assert.equal(server.received.length, 1);
    good.destroy();
    await server.close();
  });

  const frames: readonly (readonly [string, Hello["lane"], () => Buffer, string])[] = [
    ["an oversized frame", "data", () => headOf(limits.peerFrameBytesMax), "CORRUPT_BATCH"],
    ["a megabyte among heartbeats", "control", () => bytesOf(fetched(1e6)), "CORRUPT_BATCH"],
    ["entries among heartbeats", "control", () => bytesOf(fetched(1)), "CORRUPT_BATCH"],
    ["a heartbeat among entries", "data", () => bytesOf(heartbeat(1)), "CORRUPT_BATCH"],
    ["a changed byte", "data", () => changed(bytesOf(fetched(100)), 60), "CORRUPT_BATCH"],
    ["a pong", "data", () => bytesOf(pingFrame("pong")), "UNSUPPORTED_FORMAT"],
  ];
  for (const [what, lane, bytes, code] of frames) {
    test(`${what} ends the connection, and is told`, async (t) => {
      const server = await listening(t);
      const socket = await greeted(server, { ...hello, lane });
      socket.write(bytes());
      await closed(socket);
      assert.deepEqual([server.failures, server.received.length], [[code], 0]);
      await server.close();
    });
  }

  test("half a hello, and none, are cut in time", async (t) => {
    const clock = new ManualClock();
    const server = await listening(t, { clock });
    const half = dial(server);
    half.write(Buffer.concat(encodeHello(hello).parts).subarray(0, 30));
    const only = dial(server);
    only.write(RAFT_MAGIC);
    await until(() => server.listener.connections === 2);
    clock.advance(limits.handshakeTimeoutMs);
    await Promise.all([closed(half), closed(only)]);
    assert.equal(server.listener.connections, 0);
    await server.close();
  });

  test("one that dials again takes the place of its earlier connection", async (t) => {
    const server = await listening(t);
    const first = await greeted(server, hello);
    const other = await greeted(server, { ...hello, lane: "control" });
    const second = await greeted(server, hello);
    await closed(first);
    assert.equal(server.listener.connections, 2);
    write(second, fetched(3));
    await until(() => server.received.length === 1);
    other.destroy();
    second.destroy();
    await server.close();
  });

  test("one that asks for signs of life and does not read them gets no more than fit", async (t) => {
    const server = await listening(t);
    const socket = await greeted(server, hello);
    socket.pause();
    const ping = bytesOf(pingFrame("ping"));
    const many = Buffer.concat(Array.from({ length: 20_000 }, () => ping));
    for (let turn = 0; turn < 20; turn++) {
      if (!socket.write(many)) await once(socket, "drain");
    }
    write(socket, fetched(3));
    await until(() => server.received.length === 1);
    socket.destroy();
    await server.close();
  });
});

function bytesOf({ parts }: Frame): Buffer {
  return Buffer.concat(parts);
}

function headOf(length: number): Buffer {
  const head = Buffer.alloc(8);
  putU32(head, 0, length);
  return head;
}

function changed(bytes: Buffer, at: number): Buffer {
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  return bytes;
}
