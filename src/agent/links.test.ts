import assert from "node:assert/strict";
import { test } from "node:test";
import { limits, silentObserver } from "../base/index.ts";
import type { DataDirectory } from "../log/index.ts";
import type { PeerMessage, Replica } from "../replica/index.ts";
import { dialPlain, Mux } from "../transport/index.ts";
import { ManualClock, PeerServer, until } from "../transport/testing/peer-server.ts";
import { Links } from "./links.ts";
import { PeerAddresses } from "./peer-addresses.ts";
import type { Security } from "./security.ts";

const CLUSTER_X = "00".repeat(16);
const CLUSTER_Y = "11".repeat(16);

test("leaders of two clusters speak to a server without one: it hears the first, and never the other", async (t) => {
  const own = { clusterName: "proglog", name: "c", replicaId: 3 };
  const directory = { meta: { ...own, clusterId: "" } };
  let joined: (() => void) | undefined;
  const failures: unknown[] = [];
  const links = new Links({
    directory: {
      ...directory,
      get meta() {
        return directory.meta;
      },
      joinCluster: async (clusterId: string) => {
        assert.equal(directory.meta.clusterId, "");
        await new Promise<void>((resolve) => (joined = resolve));
        directory.meta = { ...own, clusterId };
      },
    } as unknown as DataDirectory,
    log: "default",
    security: { context: undefined } as unknown as Security,
    addresses: new PeerAddresses(),
    observer: silentObserver,
    onFailure: (error) => void failures.push(error),
  });
  const received: PeerMessage[] = [];
  links.begin(
    {
      status: { damaged: false },
      receive: (message: PeerMessage) => void received.push(message),
      unreachable: () => undefined,
    } as unknown as Replica,
    {
      answered: () => undefined,
      refuses: () => undefined,
      whenFree: async (join) => {
        await join();
        return true;
      },
    },
  );
  const protocols = [links.protocol];
  const mux = await Mux.listen({ host: "127.0.0.1", port: 0, protocols });
  t.after(() => Promise.all([mux.close(), links.close()]));
  const ports = new Map([["c", mux.address.port]]);
  const leaders = [CLUSTER_X, CLUSTER_Y].map(
    (clusterId, at) =>
      new PeerServer(ports, { name: "ab".charAt(at), replicaId: at + 1, identity: { clusterId } }),
  );
  t.after(() => Promise.all(leaders.map((leader) => leader.close())));
  const [first, second] = leaders as [PeerServer, PeerServer];
  const server = { options: own } as unknown as PeerServer;
  await Promise.all(leaders.map((leader) => leader.connected(server)));

  first.heartbeat(server, 1);
  await until(() => joined !== undefined);
  second.heartbeat(server, 2);
  second.append(server, []);
  await new Promise((resolve) => setTimeout(resolve, 50));
  joined?.();
  await until(() => second.answers.some(({ kind }) => kind === "refused"));
  first.heartbeat(server, 3);
  await until(() => received.length === 2);
  assert.deepEqual(
    received.map(({ from }) => from),
    [1, 1],
  );
  assert.equal(directory.meta.clusterId, CLUSTER_X);
  assert.deepEqual(failures, []);
});

test("who was away and says hello is dialled at once, however long he was not to be reached", async (t) => {
  const clock = new ManualClock();
  const away = new Map<string, number>();
  let failed = 0;
  const links = new Links({
    directory: {
      meta: { clusterName: "proglog", clusterId: CLUSTER_X, name: "c", replicaId: 3 },
    } as unknown as DataDirectory,
    log: "default",
    security: { context: undefined } as unknown as Security,
    addresses: {
      addressOf: ({ name }: { readonly name: string }) => {
        const port = away.get(name);
        if (port === undefined) throw new Error("nobody knows where");
        return { host: "127.0.0.1", port };
      },
    } as unknown as PeerAddresses,
    observer: {
      ...silentObserver,
      count: (name) => {
        if (name === "peer_connections_failed_total") failed += 1;
      },
    },
    onFailure: (error) => assert.fail(error),
    ports: { clock },
  });
  const mux = await Mux.listen({ host: "127.0.0.1", port: 0, protocols: [links.protocol] });
  t.after(() => Promise.all([mux.close(), links.close()]));
  const other = new PeerServer(away, {
    name: "a",
    replicaId: 1,
    identity: { clusterId: CLUSTER_X },
  });
  t.after(() => other.close());

  links.peers.connect([{ name: "a", replicaId: 1 }]);
  // Both connections have failed, and are dialled again when the clock says so, which is never.
  await until(() => failed === 2);
  away.set("c", mux.address.port);
  await other.listen();
  other.links.connect([{ name: "c", replicaId: 3 }]);
  await until(() => links.links.isOpen(1));
});

test("two who take each other's connections and cut them dial each other with a pause", async (t) => {
  const clock = new ManualClock();
  const ports = new Map<string, number>();
  const pair = [
    { name: "a", replicaId: 1 },
    { name: "b", replicaId: 2 },
  ];
  let dials = 0;
  const start = async (own: { readonly name: string; readonly replicaId: number }) => {
    const links = new Links({
      directory: {
        meta: { clusterName: "proglog", clusterId: CLUSTER_X, ...own },
      } as unknown as DataDirectory,
      log: "default",
      security: { context: undefined } as unknown as Security,
      addresses: {
        addressOf: ({ name }: { readonly name: string }) => {
          return { host: "127.0.0.1", port: ports.get(name) ?? 0 };
        },
      } as unknown as PeerAddresses,
      observer: silentObserver,
      onFailure: (error) => assert.fail(error),
      ports: {
        clock,
        dial: async (address, options) => {
          dials += 1;
          const socket = await dialPlain(address, options);
          // What is said there is that the other end lets us in.
          socket.once("data", () => setImmediate(() => socket.destroy()));
          return socket;
        },
      },
    });
    const mux = await Mux.listen({ host: "127.0.0.1", port: 0, protocols: [links.protocol] });
    ports.set(own.name, mux.address.port);
    t.after(() => Promise.all([mux.close(), links.close()]));
    return links;
  };
  const [a, b] = (await Promise.all(pair.map(start))) as [Links, Links];
  a.peers.connect(pair.slice(1));
  b.peers.connect(pair.slice(0, 1));

  const lanes = 4;
  for (let turn = 0; turn < 500; turn++) await new Promise(setImmediate);
  assert.ok(dials <= 2 * lanes, `${dials} dials while no time passed`);
  const before = dials;
  clock.advance(limits.peerRetryMsMax);
  await until(() => dials > before);
});
