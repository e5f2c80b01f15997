import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ClusterClient, connect } from "../../src/client/index.ts";
import type { Client } from "../../src/client/index.ts";
import { clockEnvironment, setClock } from "./clocks.ts";
import { commandExists } from "../support/require.ts";
import { Disks } from "./disks.ts";
import { Server } from "./server.ts";
import type { Ending } from "./server.ts";
import { makeWires } from "./wires.ts";
import type { Host, Wires } from "./wires.ts";

/** One server's place: its name, host and disk stay, its process comes and goes. */
export interface Place {
  readonly at: number;
  readonly name: string;
  readonly host: Host;
  readonly dataDir: string;
  readonly clockFile: string;
  server: Server | undefined;
  /** Which fault has it, so that no other one does. */
  holder: string | undefined;
  /** How the process may end now without that it was told to. */
  mayEnd: readonly Ending[];
}

export interface LabOptions {
  readonly folder: string;
  /** Servers that make the cluster. There is one place more, for one who comes and goes. */
  readonly replicas: number;
  /** The command line's `main.js`: that of `dist/`, or of a copy with a planted bug. */
  readonly main: string;
  readonly wires?: Wires["kind"] | undefined;
}

/** `AAECAwQF…`: gossip beyond loopback is never plaintext. */
const GOSSIP_KEY = Buffer.from(Array.from({ length: 32 }, (_, i) => i)).toString("base64");
/** Small segments: there are many to damage, to delete and to fetch. */
const FLAGS = ["--segment-bytes", "16KiB", "--insecure", "--log-level", "info"] as const;
const LOG_FORMAT = ["--log-format", "json", "--gossip-key", GOSSIP_KEY] as const;

/** A server ends with us, however we end. */
const WITH_US = ["setpriv", "--pdeathsig", "KILL"];

/** Servers, what connects them, and their disks. Says what happened to them; does nothing by itself. */
export class Lab {
  readonly places: readonly Place[];
  readonly replicas: number;
  readonly wires: Wires;
  readonly disks: Disks;
  /** Servers that ended though nobody had ended them. */
  readonly surprises: string[] = [];
  readonly #main: string;
  readonly #folder: string;
  readonly #withUs = commandExists("setpriv") ? WITH_US : [];
  #isClosing = false;

  private constructor(options: LabOptions, wires: Wires, disks: Disks) {
    this.replicas = options.replicas;
    this.#main = options.main;
    this.#folder = options.folder;
    this.wires = wires;
    this.disks = disks;
    this.places = wires.hosts.map((host, at) => {
      const clockFile = join(options.folder, `clock-${at}`);
      setClock(clockFile, 0);
      const dataDir = join(disks.folders[at] ?? "", "data");
      const place = { at, name: `server-${at}`, host, dataDir, clockFile };
      return { ...place, server: undefined, holder: undefined, mayEnd: [] };
    });
  }

  static async open(options: LabOptions): Promise<Lab> {
    mkdirSync(options.folder, { recursive: true });
    const wires = await makeWires(options.replicas + 1, options.wires);
    return new Lab(options, wires, new Disks(options.folder, options.replicas + 1));
  }

  /** All that make the cluster. */
  get core(): readonly Place[] {
    return this.places.slice(0, this.replicas);
  }

  get addresses(): readonly string[] {
    return this.core.map(({ host }) => host.rpcAddress);
  }

  place(at: number): Place {
    const place = this.places[at];
    if (place === undefined) throw new Error(`there is no place ${at}`);
    return place;
  }

  named(name: string): Place | undefined {
    return this.places.find((place) => place.name === name);
  }

  /** A client of the cluster: it finds who leads. */
  client(timeoutMs?: number): Client {
    return connect(this.addresses.join(","), timeoutMs === undefined ? {} : { timeoutMs });
  }

  /** A client of one server, which looks for no others. */
  only(at: number, timeoutMs?: number): Client {
    const address = `ipv4:${this.place(at).host.rpcAddress}`;
    return connect(address, timeoutMs === undefined ? {} : { timeoutMs });
  }

  operator(timeoutMs = 5_000): ClusterClient {
    return new ClusterClient(this.addresses.join(","), { timeoutMs });
  }

  start(at: number): void {
    const place = this.place(at);
    if (place.server !== undefined) throw new Error(`${place.name} runs already`);
    const { name, host, dataDir, clockFile } = place;
    const others = this.places.filter((other) => other !== place);
    const seeds = others.map(({ host }) => `${host.address}:${host.gossipPort}`);
    const flags = ["--data-dir", dataDir, "--node-name", name, ...FLAGS, ...LOG_FORMAT];
    flags.push("--rpc-port", String(host.rpcPort), "--advertise-rpc-addr", host.rpcAddress);
    flags.push("--bind-addr", `${host.address}:${host.gossipPort}`);
    flags.push("--start-join-addrs", seeds.join(","));
    // Those of the cluster are started with the same words each time, emptied ones too.
    if (at < this.replicas) flags.push("--bootstrap-expect", String(this.replicas));
    const server = new Server({
      ...{
        main: this.#main,
        flags,
        under: [...host.under, ...this.#withUs],
        env: clockEnvironment(clockFile),
      },
      logFile: join(this.#folder, `${name}.log`),
    });
    place.server = server;
    void server.ended.then((how) => this.#ended(place, server, how));
  }

  /** Ends a server; resolves when it is gone. */
  async end(at: number, signal: NodeJS.Signals): Promise<Ending | undefined> {
    const place = this.place(at);
    const { server } = place;
    if (server === undefined) return undefined;
    place.server = undefined;
    server.signal(signal);
    // A stopped process hears nothing else.
    if (signal !== "SIGKILL") server.signal("SIGCONT");
    return await server.ended;
  }

  /** Ends it in order within a time, or else by force; answers whether it was in order. */
  async stop(at: number, patienceMs: number): Promise<boolean> {
    const place = this.place(at);
    const { server } = place;
    if (server === undefined) return false;
    const force = setTimeout(() => server.signal("SIGKILL"), patienceMs);
    const how = await this.end(at, "SIGTERM");
    clearTimeout(force);
    // One that had hardly begun does not listen to signals yet.
    const isExpected = how === 0 || how === "SIGKILL" || how === "SIGTERM";
    if (!isExpected) this.#surprise(place, server, how);
    return how === 0;
  }

  /** What its directory says it is; undefined when that is not written yet. */
  replicaId(at: number): number | undefined {
    try {
      const text = readFileSync(join(this.place(at).dataDir, "meta.json"), "utf8");
      return (JSON.parse(text) as { readonly replicaId: number }).replicaId;
    } catch {
      return undefined;
    }
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    await Promise.all(this.places.map(({ at }) => this.end(at, "SIGKILL")));
    this.disks.close();
    await this.wires.close();
  }

  #ended(place: Place, server: Server, how: Ending): void {
    if (place.server !== server || this.#isClosing) return;
    place.server = undefined;
    if (!place.mayEnd.includes(how)) this.#surprise(place, server, how);
  }

  #surprise({ name }: Place, server: Server, how: Ending | undefined): void {
    this.surprises.push(`${name} ended by itself (${how ?? "?"}): ${server.lastWords()}`);
  }
}
