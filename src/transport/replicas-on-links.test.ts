import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { decodeBatch } from "../base/index.ts";
import type { Configuration } from "../base/index.ts";
import { Log } from "../log/index.ts";
import { ProducerTable, Replica } from "../replica/index.ts";
import type { Peers } from "../replica/index.ts";
import { PeerServer, until } from "./testing/peer-server.ts";

// What the replica declares and what the links offer, joined as an agent does it.

const MEMBERS = ["one", "two", "three"].map((name, at) => ({ name, replicaId: at + 1 }));
const CONFIGURATION: Configuration = {
  voters: MEMBERS,
  votersOutgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
};

interface Machine {
  readonly log: Log;
  readonly server: PeerServer;
  readonly replica: Replica;
}

async function start(ports: Map<string, number>, at: number, directory: string): Promise<Machine> {
  const member = MEMBERS[at] ?? assert.fail();
  const producers = new ProducerTable();
  const own = join(directory, member.name);
  await mkdir(own);
  const log = await Log.open({
    directory: own,
    state: producers,
    initial: { configuration: CONFIGURATION, vote: 0 },
    scrubBytesPerSecond: 0,
    freeBytesMin: 0,
  });
  const early: { replica?: Replica } = {};
  const server = new PeerServer(ports, {
    ...member,
    handle: (message) => {
      if (message.kind !== "call" && message.kind !== "reply") early.replica?.receive(message);
    },
  });
  const peers: Peers = server.links;
  const replica = await Replica.start({
    log,
    producers,
    replicaId: member.replicaId,
    peers,
    // Patient, because a machine that runs tests may be busy: nobody else is to campaign here.
    timing: { electionTimeoutTicks: 60 },
    describe: () => ({
      clusterId: "c",
      id: member.name,
      rpcAddress: "",
      httpAddress: "",
      fsyncRelaxed: false,
    }),
  });
  early.replica = replica;
  await server.listen();
  return { log, server, replica };
}

async function cluster(t: TestContext): Promise<Machine[]> {
  const directory = await mkdtemp(join(tmpdir(), "proglog-links-"));
  const ports = new Map<string, number>();
  const machines = await Promise.all(MEMBERS.map((_, at) => start(ports, at, directory)));
  t.after(async () => {
    await Promise.all(machines.map(({ replica }) => replica.close()));
    await Promise.all(machines.map(({ server }) => server.close()));
    await Promise.all(machines.map(({ log }) => log.close()));
    await rm(directory, { recursive: true });
  });
  return machines;
}

async function leaderOf(machines: readonly Machine[]): Promise<Machine> {
  const leads = ({ replica }: Machine): boolean => replica.status.role === "leader";
  await until(() => machines.some(leads));
  return machines.find(leads) ?? assert.fail();
}

async function valuesOf({ replica }: Machine): Promise<string[]> {
  const batches = await replica.read(0, 1_000_000);
  return batches.flatMap((batch) =>
    [...decodeBatch(batch)].map(({ value }) => new TextDecoder().decode(value ?? undefined)),
  );
}

test("three replicas elect, replicate, and go on when connections are cut", async (t) => {
  const machines = await cluster(t);
  const values = Array.from({ length: 60 }, (_, at) => `record ${at}`);
  const append = async (part: readonly string[]): Promise<void> => {
    const { replica } = await leaderOf(machines);
    const records = part.map((value) => ({ value: new TextEncoder().encode(value) }));
    await Promise.all(records.map((record) => replica.append(record, {})));
  };
  await append(values.slice(0, 30));
  const { server } = await leaderOf(machines);
  for (const socket of server.dialled.splice(0)) socket.destroy();
  await append(values.slice(30));
  await until(() => machines.every(({ replica }) => replica.highWatermark === 60));
  for (const machine of machines) assert.deepEqual(await valuesOf(machine), values);
});
