import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../../../src/client/index.ts";
import type { Client, ServerListing } from "../../../src/client/index.ts";
import { AgentProcess } from "./agent.ts";
import { freePort } from "./ports.ts";
import type { Front } from "./front.ts";
import type { Network, NetworkHost } from "./netns.ts";

export interface ClusterOptions {
  readonly folder: string;
  readonly count?: number;
  /** More of every server's command line. */
  readonly flags?: readonly string[];
  /** One for each server, which tells of that address instead of its own. */
  readonly fronts?: readonly Front[];
  /** Each server on a host of its own, all of them with an address that stays; absent: the loopback. */
  readonly network?: Network;
}

interface Place {
  readonly name: string;
  readonly dataDir: string;
  readonly host: NetworkHost;
  port: number;
  bindAddr: string;
  server: AgentProcess | undefined;
}

const LOOPBACK: NetworkHost = { address: "127.0.0.1", under: [] };
/** On a host of its own, where nobody else listens. */
const [OWN_PORT, OWN_GOSSIP_PORT] = [8400, 8401];
/** How often it is asked who leads, while nobody does. */
const LOOK_MS = 20;
const PATIENCE_MS = 60_000;
/** What a disk lost is back after a while. */
const PATIENT = { attemptsMax: 1_000, delayMsMin: 10, delayMsMax: 100 };

/** Servers in processes of their own that are one cluster; the first one makes it. */
export class ClusterProcesses implements AsyncDisposable {
  readonly #places: Place[] = [];
  readonly #flags: readonly string[];
  readonly #fronts: readonly Front[];
  /** An emptied directory is no reason to make another cluster. */
  #isMade = false;

  private constructor({ flags = [], fronts = [], network }: ClusterOptions) {
    this.#flags = [...flags, ...flagsOn(network)];
    this.#fronts = fronts;
  }

  /** All of them vote when this resolves. */
  static async start(options: ClusterOptions): Promise<ClusterProcesses> {
    const { folder, count = 3, network } = options;
    const cluster = new ClusterProcesses(options);
    for (let at = 0; at < count; at++) {
      const name = `server-${at}`;
      const host = network === undefined ? LOOPBACK : (network.hosts[at] ?? assert.fail());
      const [port, bindAddr] = [OWN_PORT, `${host.address}:${OWN_GOSSIP_PORT}`];
      const dataDir = join(folder, name);
      cluster.#places.push({ name, dataDir, host, port, bindAddr, server: undefined });
    }
    if (network === undefined) await cluster.move();
    try {
      for (let at = 0; at < count; at++) await cluster.run(at);
      await cluster.untilVoters(count);
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
    return cluster;
  }

  get count(): number {
    return this.#places.length;
  }

  /** Where each server is, or will be, whether it runs or not. */
  get addresses(): readonly string[] {
    return this.#places.map(({ host, port }) => `${host.address}:${port}`);
  }

  /** A client of one server, which looks for no others. */
  only(at: number): Client {
    return connect(`ipv4:${this.addresses[at] ?? ""}`, { retry: PATIENT });
  }

  dataDir(at: number): string {
    return this.#place(at).dataDir;
  }

  server(at: number): AgentProcess {
    const { server } = this.#place(at);
    assert.ok(server !== undefined, `server ${at} runs`);
    return server;
  }

  /** New addresses for everybody; for servers on the loopback that do not run. */
  async move(): Promise<void> {
    for (const place of this.#places) {
      assert.equal(place.server, undefined);
      assert.equal(place.host, LOOPBACK);
      place.port = await freePort();
      place.bindAddr = `127.0.0.1:${await freePort()}`;
    }
  }

  /** Starts a server, or starts it again, and waits until it is ready. */
  async run(at: number): Promise<void> {
    const place = this.#place(at);
    const seeds = this.#places.filter((other) => other !== place).map(({ bindAddr }) => bindAddr);
    const { name, dataDir, port, bindAddr, host } = place;
    const { under } = host;
    const join = ["--start-join-addrs", seeds.join(",")];
    const flags = [...this.#flags, "--node-name", name, ...join];
    if (!this.#isMade) flags.push("--bootstrap");
    const front = this.#fronts[at];
    if (front !== undefined) {
      front.port = port;
      flags.push("--advertise-rpc-addr", front.address);
    }
    place.server = new AgentProcess({ dataDir, port, bindAddr, flags, under });
    await place.server.ready;
    this.#isMade = true;
  }

  /** Ends a server, and tells how it ended. */
  async end(at: number, signal: NodeJS.Signals): Promise<number | NodeJS.Signals> {
    const place = this.#place(at);
    const server = this.server(at);
    server.signal(signal);
    const how = await server.ended;
    place.server = undefined;
    return how;
  }

  /** A server that does not run has never been one: its directory is gone. */
  wipe(at: number): void {
    assert.equal(this.#place(at).server, undefined);
    rmSync(this.dataDir(at), { recursive: true });
  }

  /** Whom the servers that run name as their leader, when a majority of the cluster does. */
  async leader(): Promise<number> {
    const end = performance.now() + PATIENCE_MS;
    for (;;) {
      const named = await Promise.all(this.#running().map((at) => this.#leaderOf(at)));
      for (const at of this.#running()) {
        const { name } = this.#place(at);
        if (named.filter((each) => each === name).length * 2 > this.count) return at;
      }
      assert.ok(performance.now() < end, `nobody leads: ${JSON.stringify(named)}`);
      await sleep(LOOK_MS);
    }
  }

  /** So many voters and nobody else, as the leader says. */
  async untilVoters(count: number): Promise<void> {
    const end = performance.now() + PATIENCE_MS;
    for (;;) {
      const servers = await this.#listing(await this.leader());
      const voters = servers.filter(({ role }) => role === "voter");
      if (voters.length === count && servers.length === count) return;
      assert.ok(performance.now() < end, `not ${count} voters: ${JSON.stringify(servers)}`);
      await sleep(LOOK_MS);
    }
  }

  /** Every server that runs has all records that any of them has. */
  async untilEven(): Promise<number> {
    const end = performance.now() + PATIENCE_MS;
    for (;;) {
      const marks = await Promise.all(this.#running().map((at) => this.#next(at)));
      const [first = 0] = marks;
      if (marks.every((mark) => mark === first)) return first;
      assert.ok(performance.now() < end, `the servers are apart: ${marks.join(", ")}`);
      await sleep(LOOK_MS);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const running = this.#places.flatMap(({ server }) => (server === undefined ? [] : [server]));
    for (const place of this.#places) place.server = undefined;
    await Promise.all(running.map((server) => server[Symbol.asyncDispose]()));
  }

  #place(at: number): Place {
    const place = this.#places[at];
    assert.ok(place !== undefined, `there is a server ${at}`);
    return place;
  }

  #running(): number[] {
    return [...this.#places.keys()].filter((at) => this.#places[at]?.server !== undefined);
  }

  async #leaderOf(at: number): Promise<string | undefined> {
    const servers = await this.#listing(at);
    return servers.find(({ isLeader }) => isLeader)?.id;
  }

  /** Nothing from a server that does not answer. */
  async #listing(at: number): Promise<readonly ServerListing[]> {
    await using client = this.only(at);
    try {
      return (await client.servers({ signal: AbortSignal.timeout(2_000) })).servers;
    } catch {
      return [];
    }
  }

  async #next(at: number): Promise<number> {
    await using client = this.only(at);
    return (await client.offsets()).next;
  }
}

/** Beyond loopback servers want to be told that they may be there in plaintext. */
function flagsOn(network: Network | undefined): readonly string[] {
  if (network === undefined) return [];
  return ["--insecure", "--gossip-key", randomBytes(32).toString("base64")];
}
