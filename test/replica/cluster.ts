import { seededRandom } from "../../src/base/index.ts";
import type {
  AppendAnswer,
  Clock,
  Configuration,
  ConfigurationMember,
  ProglogError,
  Random,
} from "../../src/base/index.ts";
import { decodeBatch } from "../../src/base/index.ts";
import { Log } from "../../src/log/index.ts";
import type { LogOptions } from "../../src/log/index.ts";
import { ProducerTable, Replica } from "../../src/replica/index.ts";
import type { PeerMessage } from "../../src/replica/index.ts";
import { FaultDisk } from "../../sim/disk/index.ts";
import type { CrashOptions } from "../../sim/disk/index.ts";

export const DIRECTORY = "/data/logs/default";

interface Timer {
  readonly at: number;
  readonly serial: number;
  readonly callback: () => void;
}

/** Time for all replicas of a test; stands still until it is told to go on. */
export class ClusterClock implements Clock {
  ms = 1_700_000_000_000;
  /** How far the wall clock is off. */
  wallOffsetMs = 0;
  #serial = 0;
  readonly #timers = new Set<Timer>();

  now(): number {
    return this.ms + this.wallOffsetMs;
  }
  monotonic(): number {
    return this.ms;
  }
  after(ms: number, callback: () => void): () => void {
    const timer = { at: this.ms + ms, serial: this.#serial++, callback };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }
  /** One millisecond more, and everything that is due. */
  step(): void {
    this.ms += 1;
    const due = [...this.#timers].filter(({ at }) => at <= this.ms);
    due.sort((a, b) => a.at - b.at || a.serial - b.serial);
    for (const timer of due) if (this.#timers.delete(timer)) timer.callback();
  }
}

/** One replica of the cluster, with what it stands on. */
export class Server {
  readonly member: ConfigurationMember;
  disk: FaultDisk;
  log: Log | undefined;
  replica: Replica | undefined;
  failure: ProglogError | undefined;
  /** Raised with each life; what an earlier life sends is lost. */
  life = 0;

  constructor(member: ConfigurationMember, disk: FaultDisk) {
    this.member = member;
    this.disk = disk;
  }

  get id(): number {
    return this.member.replicaId;
  }
  get running(): Replica {
    if (this.replica === undefined) throw new Error(`${this.member.name} does not run`);
    return this.replica;
  }
  get opened(): Log {
    if (this.log === undefined) throw new Error(`${this.member.name} does not run`);
    return this.log;
  }
}

export interface ClusterOptions {
  readonly replicas?: number;
  /** How many of them are in the first configuration; all. */
  readonly members?: number;
  readonly seed?: number;
  readonly log?: Partial<LogOptions>;
}

const NAMES = ["one", "two", "three", "four", "five", "six"];

/** Replicas in one process, over disks in memory and links in memory, in virtual time. */
export class Cluster implements AsyncDisposable {
  readonly clock = new ClusterClock();
  readonly servers: Server[] = [];
  readonly sent: PeerMessage[] = [];
  /** A message for which this says true is lost. */
  lose: (message: PeerMessage) => boolean = () => false;
  readonly #cut = new Set<string>();
  readonly #random: Random;
  readonly #options: ClusterOptions;
  readonly #configuration: Configuration;

  private constructor(options: ClusterOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed ?? 1);
    const { replicas = 3, members = replicas } = options;
    for (let i = 0; i < replicas; i++) {
      this.servers.push(new Server({ replicaId: i + 1, name: NAMES[i] as string }, this.newDisk()));
    }
    this.#configuration = {
      voters: this.servers.slice(0, members).map(({ member }) => member),
      votersOutgoing: [],
      learners: [],
      learnersNext: [],
      autoLeave: false,
    };
  }

  static async start(options: ClusterOptions = {}): Promise<Cluster> {
    const cluster = new Cluster(options);
    for (const server of cluster.servers) await cluster.open(server);
    return cluster;
  }

  newDisk(): FaultDisk {
    return new FaultDisk({ random: this.#random, callsMax: 0 });
  }

  server(id: number): Server {
    const found = this.servers.find((each) => each.id === id);
    if (found === undefined) throw new Error(`there is no replica ${id}`);
    return found;
  }

  /** A replica that nobody knows yet. */
  async join(member: ConfigurationMember): Promise<Server> {
    const server = new Server(member, this.newDisk());
    this.servers.push(server);
    await this.open(server);
    return server;
  }

  /** Opens a replica's log and starts it. */
  async open(server: Server, options: Partial<LogOptions> = {}): Promise<void> {
    const { disk, member } = server;
    const life = ++server.life;
    await prepare(disk);
    const { voters } = this.#configuration;
    const isFounder = voters.some(({ replicaId }) => replicaId === member.replicaId);
    const producers = new ProducerTable();
    server.failure = undefined;
    const log = await Log.open({
      directory: DIRECTORY,
      disk,
      clock: this.clock,
      random: this.#random,
      state: producers,
      initial: { configuration: isFounder ? this.#configuration : NOBODY, vote: 0 },
      scrubBytesPerSecond: 0,
      freeBytesMin: 0,
      segmentBytesMax: 4096,
      onFailure: (error) => (server.failure = error),
      ...this.#options.log,
      ...options,
    });
    server.log = log;
    server.replica = await Replica.start({
      log,
      producers,
      replicaId: member.replicaId,
      describe: () => ({
        clusterId: "c",
        id: member.name,
        rpcAddress: "",
        httpAddress: "",
        fsyncRelaxed: false,
      }),
      clock: this.clock,
      random: this.#random,
      schedule: (task) => void this.clock.after(0, task),
      peers: {
        send: (message) => {
          if (server.life === life && server.replica !== undefined) this.#deliver(message);
        },
        connect: () => undefined,
      },
    });
  }

  #deliver(message: PeerMessage): void {
    this.sent.push(message);
    if (this.#cut.has(`${message.from}>${message.to}`) || this.lose(message)) return;
    this.clock.after(1, () => {
      this.servers.find(({ id }) => id === message.to)?.replica?.receive(message);
    });
  }

  /** Nothing passes between these replicas and the rest, until `heal`. */
  isolate(...ids: readonly number[]): void {
    for (const { id: from } of this.servers) {
      for (const { id: to } of this.servers) {
        if (ids.includes(from) !== ids.includes(to)) this.#cut.add(`${from}>${to}`);
      }
    }
  }

  /** Nothing passes in this one direction. */
  block(from: number, to: number): void {
    this.#cut.add(`${from}>${to}`);
  }

  heal(): void {
    this.#cut.clear();
  }

  /** The machine loses its power; it may be opened again. */
  crash(server: Server, options: CrashOptions = { keep: "none" }): void {
    server.replica = undefined;
    server.log = undefined;
    server.disk = server.disk.crash(options);
  }

  async restart(server: Server, options: CrashOptions = { keep: "none" }): Promise<void> {
    this.crash(server, options);
    await this.open(server);
  }

  /** Lets time pass. */
  async run(ms: number): Promise<void> {
    for (let i = 0; i < ms; i++) {
      this.clock.step();
      await drained();
    }
  }

  /** Lets time pass until something holds; fails when it does not in time. */
  async until<T>(what: () => T | undefined | false, ms = 10_000): Promise<T> {
    for (let i = 0; i < ms; i++) {
      const found = what();
      if (found !== undefined && found !== false) return found;
      this.clock.step();
      await drained();
    }
    throw new Error(`not within ${ms} ms: ${what.toString()}`);
  }

  /** Waits for a promise while time passes. */
  async wait<T>(promise: Promise<T>, ms = 10_000): Promise<T> {
    let isSettled = false;
    const settle = (): void => void (isSettled = true);
    promise.then(settle, settle);
    await this.until(() => isSettled, ms);
    return promise;
  }

  /** The leader that has committed an entry of its term, among those that run. */
  leader(...among: readonly number[]): Promise<Server> {
    return this.until(() =>
      this.servers.find(
        ({ id, replica }) =>
          (among.length === 0 || among.includes(id)) &&
          replica
            ?.servers()
            .servers.some(
              ({ isLeader, id: name }) => isLeader && name === this.server(id).member.name,
            ) === true &&
          replica.status.role === "leader",
      ),
    );
  }

  async append(server: Server, value: string): Promise<AppendAnswer> {
    return this.wait(server.running.append({ value: bytesOf(value) }));
  }

  /** Until every running replica among these has committed as much as the one given. */
  async caughtUp(leader: Server, ...ids: readonly number[]): Promise<void> {
    const { committedIndex } = leader.running;
    await this.until(() =>
      this.servers
        .filter(({ id }) => ids.length === 0 || ids.includes(id))
        .every(({ replica }) => (replica?.committedIndex ?? 0) >= committedIndex),
    );
  }

  async readAll({ running }: Server): Promise<string[]> {
    const values: string[] = [];
    for (let at = running.lowestOffset; at < running.highWatermark;) {
      const batches = await running.read(at, 10_000);
      for (const { offset, value } of batches.flatMap((batch) => decodeBatch(batch))) {
        if (offset < at) continue;
        values.push(textOf(value));
        at++;
      }
    }
    return values;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { replica, log } of this.servers) {
      if (replica !== undefined) await this.wait(replica.close());
      await log?.close();
    }
  }
}

const NOBODY: Configuration = {
  voters: [],
  votersOutgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
};

async function prepare(disk: FaultDisk): Promise<void> {
  await disk.makeDirectory(DIRECTORY);
  for (const parent of ["/", "/data", "/data/logs"]) await disk.syncDirectory(parent);
}

/** When everything that waits for nothing but its turn has had it. */
function drained(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function textOf(bytes: Uint8Array | null): string {
  return new TextDecoder().decode(bytes ?? undefined);
}
