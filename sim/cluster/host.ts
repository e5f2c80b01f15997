import { Cluster } from "../../src/agent/cluster.ts";
import { openDataLog } from "../../src/agent/data-log.ts";
import type { DataLog } from "../../src/agent/data-log.ts";
import { forwardingLog } from "../../src/agent/forwarding.ts";
import type { AgentPorts, MembersSeen } from "../../src/agent/ports.ts";
import { below, chance, ProglogError, silentObserver } from "../../src/base/index.ts";
import type { Random } from "../../src/base/index.ts";
import type { ForwardingLog, Replica, ReplicaTiming } from "../../src/replica/index.ts";
import { Tails } from "../../src/server/tails.ts";
import { FaultDisk } from "../disk/index.ts";
import { DurableEnd } from "../replica/disk-log.ts";
import { Process, type World } from "../world/index.ts";
import type { SimulatedSocket } from "./socket.ts";
import type { Station } from "./wires.ts";

const DATA_DIR = "/data";
export const LOG_DIR = `${DATA_DIR}/logs/default`;
export const META_FILE = `${DATA_DIR}/meta.json`;
const PORT = 8400;

/** What clients and operators find at a server. */
export interface Doors {
  readonly log: ForwardingLog;
  readonly tails: Tails;
  readonly cluster: Cluster;
  readonly replica: Replica;
}

/** What a host needs of its surroundings. */
export interface HostSurroundings {
  readonly world: World;
  readonly clusterName: string;
  readonly segmentBytesMax: number;
  readonly timing: Partial<ReplicaTiming>;
  readonly catchUpBytesPerSecond: number;
  syncMs(): number;
  hears(host: Host): MembersSeen;
  dial(from: Host, name: string, signal: AbortSignal): Promise<SimulatedSocket>;
  /** The process ended by itself, in order or not. */
  exited(host: Host, error: ProglogError | undefined): void;
  /** It could not start, or broke a rule of its own. */
  broke(host: Host, error: unknown): void;
}

/** One machine: a disk, and on it the lives of a server, assembled as the agent does it. */
export class Host implements Station {
  readonly number: number;
  readonly name: string;
  readonly process: Process;
  readonly durableEnd: DurableEnd = new DurableEnd(LOG_DIR);
  disk: FaultDisk;
  /** For how many servers it waits to make a cluster. */
  expect: number;
  /** As its data directory says; 0 while it has not said. */
  replicaId = 0;
  data: DataLog | undefined;
  doors: Doors | undefined;
  accept: ((socket: SimulatedSocket) => void) | undefined;
  /** It has been damaged, or lost its disk: counted against the atlas for the rest of the run. */
  wasSpoiled = false;
  isPowered = true;
  isEnding = false;
  readonly #around: HostSurroundings;
  readonly #random: Random;

  constructor(number: number, expect: number, around: HostSurroundings) {
    this.number = number;
    // Not in the order of their numbers: the smallest name makes the cluster.
    this.name = `${"cadbegfih".charAt((number - 1) % 9)}${number}`;
    this.expect = expect;
    this.#around = around;
    this.#random = around.world.random(`host ${number}`);
    this.process = new Process(around.world, this.#random, below(this.#random, 200) - 100);
    this.disk = this.#newDisk();
  }

  get isUp(): boolean {
    return this.process.isUp;
  }

  get life(): number {
    return this.process.life;
  }

  get replica(): Replica | undefined {
    return this.doors?.replica;
  }

  run(life: number, action: () => void): void {
    this.process.run(life, action);
  }

  start(): void {
    if (this.isUp) return;
    this.isPowered = true;
    const life = this.process.begin();
    this.#open(life).catch((error: unknown) => {
      if (life === this.life) this.#around.broke(this, error);
    });
  }

  /** The process is gone; the disk is what the next start finds. */
  crash(how: "kill" | "power"): void {
    this.process.end();
    this.#forget();
    this.isPowered = how === "kill";
    if (how === "kill") this.disk = this.disk.kill();
    else this.disk = this.disk.crash({ keep: chance(this.#random, 0.3) ? "none" : "random" });
  }

  /** As at SIGTERM: another one leads, what has begun is answered, everything is let go of. */
  async stop(): Promise<void> {
    const { doors, data, life } = this;
    if (doors === undefined || data === undefined || this.isEnding) return;
    this.isEnding = true;
    await doors.cluster.retire();
    doors.tails.close(new ProglogError("UNAVAILABLE", "the server is shutting down"));
    await doors.cluster.close();
    await data.close();
    if (life === this.life) this.#around.exited(this, undefined);
  }

  /** A new, empty disk, and with it a new identity. */
  wipe(): void {
    this.disk = this.#newDisk();
    this.replicaId = 0;
  }

  /** Something that a client asks. */
  call(action: (doors: Doors) => void, isClient: boolean): void {
    const { doors } = this;
    if (doors !== undefined) this.process.run(this.life, () => action(doors), isClient);
  }

  async #open(life: number): Promise<void> {
    const { clock } = this.process;
    const { segmentBytesMax, clusterName, timing } = this.#around;
    const schedule = (task: () => void): void => void clock.after(0, task);
    const onFailure = (error: ProglogError): void =>
      schedule(() => this.#around.exited(this, error));
    const ports: AgentPorts = {
      ...{ clock, random: this.#random, schedule },
      dial: async ({ host }, { signal }) => (await this.#around.dial(this, host, signal)) as never,
    };
    const data = await openDataLog(
      {
        ...{ dataDir: DATA_DIR, nodeName: this.name, clusterName, fsync: "always" },
        ...{ segmentBytes: segmentBytesMax, scrubBytesPerSecond: 256 * 1024 },
      },
      { disk: this.disk, onFailure, hasOthers: true, waitsIfNew: true, ports },
    );
    if (life !== this.life) return;
    this.data = data;
    this.replicaId = data.directory.meta.replicaId;
    const cluster = await Cluster.start(data, {
      security: { context: undefined, dialContext: undefined, peerOf: () => undefined },
      status: { describe: () => this.#describe(), stands: () => undefined },
      catchUpBytesPerSecond: this.#around.catchUpBytesPerSecond,
      ...{ expect: this.expect, observer: silentObserver, onFailure, timing, ports },
    });
    if (life !== this.life) return;
    const { replica, links } = cluster;
    const log = forwardingLog({ replica, calls: links.calls }, silentObserver, ports);
    this.doors = { log, tails: new Tails(log, clock, schedule), cluster, replica };
    this.accept = (socket) => links.protocol.accept(socket as never);
    cluster.begin(this.#around.hears(this), `${this.name}:${PORT}`, Promise.resolve());
  }

  #describe(): ReturnType<Parameters<typeof Cluster.start>[1]["status"]["describe"]> {
    const { clusterId = "" } = this.data?.directory.meta ?? {};
    const addresses = { rpcAddress: `${this.name}:${PORT}`, httpAddress: "" };
    return { clusterId, id: this.name, ...addresses, fsyncRelaxed: false };
  }

  #forget(): void {
    this.data = undefined;
    this.doors = undefined;
    this.accept = undefined;
    this.isEnding = false;
  }

  #newDisk(): FaultDisk {
    return new FaultDisk({
      random: this.#random,
      clock: this.process.clock,
      callsMax: 0,
      delayMs: ({ kind }) => {
        if (kind === "sync" || kind === "syncDirectory") return this.#around.syncMs();
        return kind === "write" ? 0.05 : 0;
      },
    });
  }
}
