import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import { limits } from "../base/index.ts";
import { dialPlain } from "./peer-link.ts";
import { recordsEntry } from "./testing/peer-messages.ts";
import { indexesOf, ManualClock, PeerServer, roundsOf, until } from "./testing/peer-server.ts";
import type { PeerServerOptions } from "./testing/peer-server.ts";

const MiB = 1024 * 1024;

/** Servers on loopback, named one, two, three, that listen. */
async function servers(
  t: TestContext,
  ...own: readonly Partial<PeerServerOptions>[]
): Promise<[PeerServer, PeerServer, PeerServer]> {
  const ports = new Map<string, number>();
  const names = ["one", "two", "three"].slice(0, Math.max(own.length, 2));
  const all = names.map(
    (name, at) => new PeerServer(ports, { name, replicaId: at + 1, ...own[at] }),
  );
  // Also when the test fails: what stays open would keep the process.
  t.after(() => Promise.all(all.map((server) => server.close())));
  await Promise.all(all.map((server) => server.listen()));
  return all as [PeerServer, PeerServer, PeerServer];
}

describe("links between replicas", () => {
  test("two servers: in order on each of two connections, with every byte", async (t) => {
    const [a, b] = await servers(t);
    await Promise.all([a.connected(b), b.connected(a)]);
    assert.equal(a.listener.connections, 2);
    const entries = [recordsEntry(1, 100), recordsEntry(2, 300_000), recordsEntry(3, 0)];
    for (let round = 1; round <= 200; round++) a.heartbeat(b, round);
    for (let index = 1; index <= 20; index++) a.append(b, [recordsEntry(index, 10), ...entries]);
    b.heartbeat(a, 77);
    await until(() => b.received.length === 220 && a.received.length === 1);
    assert.deepEqual(
      roundsOf(b),
      Array.from({ length: 200 }, (_, at) => at + 1),
    );
    assert.deepEqual(
      indexesOf(b),
      Array.from({ length: 20 }, (_, at) => at + 1),
    );
    const last = b.received.findLast((message) => message.kind === "raft" && message.entries[0]);
    assert.ok(last?.kind === "raft" && last.from === 1 && last.to === 2);
    for (const [at, entry] of entries.entries()) {
      assert.ok(Buffer.from(entry.payload).equals(last.entries[at + 1]?.payload ?? Buffer.of(1)));
    }
    assert.equal(a.unreachable + b.unreachable, 0);
    await Promise.all([a.close(), b.close()]);
  });

  test("three servers, each with each", async (t) => {
    const all = await servers(t, {}, {}, {});
    const others = (server: PeerServer): PeerServer[] => all.filter((each) => each !== server);
    await Promise.all(all.map((server) => server.connected(...others(server))));
    for (const server of all) for (const other of others(server)) server.heartbeat(other, 5);
    await until(() => all.every(({ received }) => received.length === 2));
    for (const { listener } of all) assert.equal(listener.connections, 4);
    await Promise.all(all.map((server) => server.close()));
  });

  test("a server that comes back elsewhere is found, and what was lost is told", async (t) => {
    const [a, b] = await servers(t);
    await a.connected(b);
    await b.vanish();
    await until(() => !a.links.isOpen(2));
    for (let round = 0; round < 10; round++) a.heartbeat(b, round);
    await until(() => a.unreachable > 0);
    await b.listen();
    await until(() => a.links.isOpen(2));
    a.heartbeat(b, 99);
    await until(() => roundsOf(b).includes(99));
    await Promise.all([a.close(), b.close()]);
  });

  test("connections that are cut in the middle come back, in order and without damage", async (t) => {
    const [a, b] = await servers(t);
    await a.connected(b);
    for (let cut = 0; cut < 5; cut++) {
      for (let at = 0; at < 10; at++) a.append(b, [recordsEntry(cut * 10 + at + 1, 300_000)]);
      await until(() => b.received.length > 0 && indexesOf(b).some((index) => index > cut * 10));
      for (const socket of a.dialled.splice(0)) socket.destroy();
      await until(() => a.links.isOpen(2) && a.dialled.length === 2);
    }
    a.append(b, [recordsEntry(1_000, 1)]);
    await until(() => indexesOf(b).includes(1_000));
    const indexes = indexesOf(b);
    assert.deepEqual(
      indexes,
      [...new Set(indexes)].toSorted((x, y) => x - y),
    );
    assert.deepEqual(b.failures, []);
    await Promise.all([a.close(), b.close()]);
  });

  test("a reader that does not read: the oldest is dropped, memory is bounded, order is kept", async (t) => {
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const isFirst = { value: true };
    const handle = (): Promise<void> | undefined => {
      const wait = isFirst.value ? held : undefined;
      isFirst.value = false;
      return wait;
    };
    const [a, b] = await servers(t, {}, { handle });
    await a.connected(b);
    a.append(b, [recordsEntry(1, 1)]);
    await until(() => b.received.length === 1);
    for (let index = 2; index <= 60; index++) {
      a.append(b, [recordsEntry(index, MiB)]);
      await new Promise(setImmediate);
    }
    assert.ok(a.unreachable > 20, `${a.unreachable} dropped`);
    // Heartbeats are on the other connection, and go past it all.
    a.heartbeat(b, 9);
    await until(() => roundsOf(b).length === 1);
    assert.deepEqual(indexesOf(b), [1], "nothing is read on before the first is handled");
    release();
    await until(() => indexesOf(b).includes(60));
    const indexes = indexesOf(b);
    assert.deepEqual(
      indexes,
      indexes.toSorted((x, y) => x - y),
    );
    assert.equal(indexes.length, 60 - a.unreachable);
    await Promise.all([a.close(), b.close()]);
  });

  test("many small messages wait no longer than their number allows", async (t) => {
    const dial = { resolve: (): void => undefined };
    const waiting = new Promise<void>((resolve) => (dial.resolve = resolve));
    const [a, b] = await servers(t, {
      dial: async (address, options) => {
        await waiting;
        return dialPlain(address, options);
      },
    });
    a.connect(b);
    for (let round = 1; round <= 100; round++) a.heartbeat(b, round);
    assert.equal(a.unreachable, 100 - limits.peerQueueMessagesMax);
    dial.resolve();
    await until(() => roundsOf(b).length === limits.peerQueueMessagesMax);
    assert.deepEqual(roundsOf(b).at(0), 37);
    assert.deepEqual(roundsOf(b).at(-1), 100);
    await Promise.all([a.close(), b.close()]);
  });

  test("a connection into the void is cut when signs of life do not come", async (t) => {
    const clock = new ManualClock();
    const [a, b] = await servers(t, { clock });
    await a.connected(b);
    const old = a.dialled.splice(0);
    for (let second = 0; second < 3; second++) {
      const before = old.map((socket) => socket.bytesRead);
      clock.advance(limits.peerPingIntervalMs);
      await until(() => old.every((socket, at) => socket.bytesRead > (before[at] ?? 0)));
    }
    assert.ok(old.every((socket) => !socket.destroyed));
    for (const socket of old) socket.pause();
    for (let second = 0; second <= limits.peerPingsMissedMax; second++) {
      clock.advance(limits.peerPingIntervalMs);
    }
    await until(() => old.every((socket) => socket.destroyed));
    await until(() => clock.timers > 0);
    clock.advance(limits.peerRetryMsMax);
    await until(() => a.links.isOpen(2));
    await Promise.all([a.close(), b.close()]);
    assert.equal(clock.timers, 0);
  });

  test("a listener cuts a peer that it hears nothing of", async (t) => {
    const clock = new ManualClock();
    const [a, b] = await servers(t, { clock: new ManualClock() }, { clock });
    await a.connected(b);
    clock.advance(5_000);
    a.heartbeat(b, 1);
    await until(() => b.received.length === 1);
    clock.advance(5_000);
    await until(() => b.listener.connections === 1);
    await Promise.all([a.close(), b.close()]);
    assert.equal(clock.timers, 0);
  });

  test("a server that says nothing is given up in time, and so is a name that is nowhere", async (t) => {
    const clock = new ManualClock();
    const never = new Promise<never>(() => undefined);
    const [a, b] = await servers(t, { clock, dial: () => never });
    a.connect(b);
    a.heartbeat(b, 1);
    await until(() => clock.timers === 2);
    clock.advance(limits.handshakeTimeoutMs);
    await until(() => a.unreachable === 1);
    a.links.connect([{ replicaId: 9, name: "nowhere" }]);
    a.links.send({ ...emptyCall, to: 9 });
    await until(() => a.unreachable === 2);
    await Promise.all([a.close(), b.close()]);
    assert.equal(clock.timers, 0);
  });

  test("who is no member can be answered once he has said hello", async (t) => {
    const [a, b] = await servers(t);
    await a.connected(b);
    b.heartbeat(a, 1);
    assert.equal(a.received.length, 0);
    for (const { from } of b.hellos) b.links.learn({ replicaId: from.replicaId, name: from.name });
    b.heartbeat(a, 2);
    await until(() => roundsOf(a).length === 1);
    assert.deepEqual(roundsOf(a), [2]);
    // A member that he becomes later keeps its connections.
    const [hellos] = [a.hellos.length];
    b.connect(a);
    await b.connected(a);
    assert.equal(a.hellos.length, hellos);
    b.links.connect([]);
    await until(() => a.listener.connections === 0);
    await Promise.all([a.close(), b.close()]);
  });

  test("after close nothing is open, whatever was going on", async (t) => {
    const [a, b, c] = await servers(t, {}, {}, {});
    a.connect(b, c);
    b.connect(a, c);
    a.append(b, [recordsEntry(1, MiB)]);
    await c.vanish();
    await until(() => a.links.isOpen(2));
    a.append(b, [recordsEntry(2, MiB)]);
    await Promise.all([a.close(), b.close(), c.close()]);
    for (const { dialled, listener } of [a, b, c]) {
      assert.ok(dialled.every((socket) => socket.destroyed));
      assert.equal(listener.connections, 0);
    }
    assert.equal(a.mux.connections + b.mux.connections, 0);
    a.heartbeat(b, 1);
    a.connect(b);
    assert.equal(a.links.isOpen(2), false);
  });
});

const emptyCall = {
  kind: "call",
  log: "default",
  from: 1,
  to: 2,
  call: 1,
  method: 1,
  payload: new Uint8Array(0),
} as const;
