import { below, chance, silentObserver } from "../../src/base/index.ts";
import type { Configuration, Random } from "../../src/base/index.ts";
import { Log } from "../../src/log/index.ts";
import {
  type PeerMessage,
  ProducerTable,
  Replica,
  type ReplicaTiming,
} from "../../src/replica/index.ts";
import { FaultDisk } from "../disk/index.ts";
import { DurableEnd } from "./disk-log.ts";
import { Process, type World } from "../world/index.ts";

/** Where a replica keeps its log. */
export const DIRECTORY = "/data/logs/default";

/** What a machine needs of its surroundings. */
export interface Surroundings {
  readonly world: World;
  readonly segmentBytesMax: number;
  readonly timing: Partial<ReplicaTiming>;
  readonly catchUpBytesPerSecond: number;
  syncMs(): number;
  send(from: Machine, message: PeerMessage): void;
  /** The process ended by itself: its disk failed. */
  exited(machine: Machine): void;
  /** It could not start, or broke a rule of its own. */
  broke(machine: Machine, error: unknown): void;
}

/** One machine: a disk, and the lives of a replica on it. */
export class Machine {
  readonly number: number;
  readonly name: string;
  replicaId: number;
  disk: FaultDisk;
  replica: Replica | undefined;
  log: Log | undefined;
  /** It has been damaged, or lost its disk: counted against the atlas for the rest of the run. */
  wasSpoiled = false;
  /** Its disk was full and its log took back what was not durable: its core began anew, in the same life. */
  beganAnew = false;
  readonly durableEnd: DurableEnd = new DurableEnd(DIRECTORY);
  readonly process: Process;
  readonly #around: Surroundings;
  readonly #random: Random;

  constructor(number: number, around: Surroundings) {
    this.number = number;
    this.name = `r${number}`;
    this.replicaId = number;
    this.#around = around;
    this.#random = around.world.random(`machine ${number}`);
    this.process = new Process(around.world, this.#random, below(this.#random, 200) - 100);
    this.disk = this.#newDisk();
  }

  get isUp(): boolean {
    return this.process.isUp;
  }

  /** Starts the process; it opens its log while time goes on. */
  start(initial: Configuration): void {
    if (this.isUp) return;
    const life = this.process.begin();
    this.#open(initial, life).catch((error: unknown) => {
      if (life === this.process.life) this.#around.broke(this, error);
    });
  }

  /** The process is gone; the disk is what the next start finds. */
  crash(how: "kill" | "power"): void {
    this.process.end();
    this.replica = undefined;
    this.log = undefined;
    if (how === "kill") this.disk = this.disk.kill();
    else this.disk = this.disk.crash({ keep: chance(this.#random, 0.3) ? "none" : "random" });
  }

  /** A new, empty disk, and with it a new identity. */
  wipe(replicaId: number): void {
    this.disk = this.#newDisk();
    this.replicaId = replicaId;
  }

  pause(ms: number): void {
    this.process.pause(ms);
  }

  /** Something that comes from outside: a message, or a client's call. */
  call(action: (replica: Replica) => void, isClient: boolean): void {
    const { replica } = this;
    if (replica === undefined) return;
    this.process.run(this.process.life, () => action(replica), isClient);
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

  async #open(initial: Configuration, life: number): Promise<void> {
    const { disk } = this;
    const { clock } = this.process;
    await disk.makeDirectory(DIRECTORY);
    for (const parent of ["/", "/data", "/data/logs"]) await disk.syncDirectory(parent);
    const producers = new ProducerTable();
    const log = await Log.open({
      directory: DIRECTORY,
      disk,
      clock,
      random: this.#random,
      state: producers,
      initial: { configuration: initial, vote: 0 },
      scrubBytesPerSecond: 256 * 1024,
      freeBytesMin: 0,
      segmentBytesMax: this.#around.segmentBytesMax,
      onFailure: () => clock.after(0, () => this.#around.exited(this)),
    });
    if (life !== this.process.life) return;
    this.log = log;
    const replica = await Replica.start({
      log,
      producers,
      replicaId: this.replicaId,
      describe: () => this.#describe(),
      clock,
      timing: this.#around.timing,
      catchUpBytesPerSecond: this.#around.catchUpBytesPerSecond,
      random: this.#random,
      observer: {
        ...silentObserver,
        log: (_level, event) => {
          if (event === "replica.append-failed") this.beganAnew = true;
        },
      },
      schedule: (task) => void clock.after(0, task),
      peers: {
        send: (message) => {
          if (life === this.process.life) this.#around.send(this, message);
        },
        connect: () => undefined,
      },
    });
    if (life === this.process.life) this.replica = replica;
  }

  #describe(): ReturnType<Parameters<typeof Replica.start>[0]["describe"]> {
    const { name: id } = this;
    return { clusterId: "c", id, rpcAddress: "", httpAddress: "", fsyncRelaxed: false };
  }
}
