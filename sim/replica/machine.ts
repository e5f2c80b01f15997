import {
  below,
  chance,
  type Clock,
  type Configuration,
  type Random,
} from "../../src/base/index.ts";
import { Log } from "../../src/log/index.ts";
import {
  type PeerMessage,
  ProducerTable,
  Replica,
  type ReplicaTiming,
} from "../../src/replica/index.ts";
import { FaultDisk } from "../disk/index.ts";
import { DurableEnd } from "./disk-log.ts";
import type { World } from "../world/index.ts";

/** Where a replica keeps its log. */
export const DIRECTORY = "/data/logs/default";

/** What a machine needs of its surroundings. */
export interface Surroundings {
  readonly world: World;
  readonly segmentBytesMax: number;
  readonly timing: Partial<ReplicaTiming>;
  syncMs(): number;
  send(from: Machine, message: PeerMessage): void;
  /** The process ended by itself: its disk failed. */
  exited(machine: Machine): void;
  /** It could not start, or broke a rule of its own. */
  broke(machine: Machine, error: unknown): void;
}

/**
 * One machine: a disk, and the lives of a replica on it. Everything that its process waits for, timers,
 * disk and network, comes through here, so that a paused process sees nothing and a dead one never
 * does again.
 */
export class Machine {
  readonly number: number;
  readonly name: string;
  replicaId: number;
  disk: FaultDisk;
  replica: Replica | undefined;
  log: Log | undefined;
  /** It has been damaged, or lost its disk: counted against the atlas for the rest of the run. */
  wasSpoiled = false;
  /** Something has happened here since somebody last looked. */
  isTouched = false;
  readonly durableEnd: DurableEnd = new DurableEnd(DIRECTORY);
  readonly #around: Surroundings;
  readonly #random: Random;
  readonly #clock: Clock;
  #isUp = false;
  #life = 0;
  #pausedUntilMs = 0;
  #waiting: { readonly action: () => void; readonly isClient: boolean }[] = [];

  constructor(number: number, around: Surroundings) {
    this.number = number;
    this.name = `r${number}`;
    this.replicaId = number;
    this.#around = around;
    this.#random = around.world.random(`machine ${number}`);
    this.#clock = this.#clockOf(below(this.#random, 200) - 100);
    this.disk = this.#newDisk();
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** Starts the process; it opens its log while time goes on. */
  start(initial: Configuration): void {
    if (this.#isUp) return;
    this.#isUp = true;
    this.isTouched = true;
    this.#life += 1;
    const life = this.#life;
    this.#open(initial, life).catch((error: unknown) => {
      if (life === this.#life) this.#around.broke(this, error);
    });
  }

  /** The process is gone; the disk is what the next start finds. */
  crash(how: "kill" | "power"): void {
    this.#isUp = false;
    this.#life += 1;
    this.replica = undefined;
    this.log = undefined;
    this.#waiting = [];
    this.#pausedUntilMs = 0;
    if (how === "kill") this.disk = this.disk.kill();
    else this.disk = this.disk.crash({ keep: chance(this.#random, 0.3) ? "none" : "random" });
  }

  /** A new, empty disk, and with it a new identity. */
  wipe(replicaId: number): void {
    this.disk = this.#newDisk();
    this.replicaId = replicaId;
  }

  pause(ms: number): void {
    const { world } = this.#around;
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, world.nowMs + ms);
    const life = this.#life;
    world.after(ms, () => {
      if (life === this.#life && this.#pausedUntilMs <= world.nowMs) this.#resume();
    });
  }

  /** Something that comes from outside: a message, or a client's call. */
  call(action: (replica: Replica) => void, isClient: boolean): void {
    const { replica } = this;
    if (replica === undefined) return;
    this.#run(this.#life, () => action(replica), isClient);
  }

  #resume(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    // They came over other connections: which are read first, nobody knows.
    if (chance(this.#random, 0.5)) waiting.sort((a, b) => Number(b.isClient) - Number(a.isClient));
    for (const { action, isClient } of waiting) this.#run(this.#life, action, isClient);
  }

  #run(life: number, action: () => void, isClient = false): void {
    if (life !== this.#life) return;
    if (this.#pausedUntilMs > this.#around.world.nowMs) this.#waiting.push({ action, isClient });
    else {
      this.isTouched = true;
      action();
    }
  }

  /** Wall clocks are off by some milliseconds; timers belong to a life. */
  #clockOf(skewMs: number): Clock {
    const { world } = this.#around;
    const clock = world.clock(skewMs);
    return {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      after: (ms, callback) => {
        const life = this.#life;
        let isLive = true;
        const cancel = world.after(Math.max(0, ms), () => {
          this.#run(life, () => {
            if (isLive) callback();
          });
        });
        return () => {
          isLive = false;
          cancel();
        };
      },
    };
  }

  #newDisk(): FaultDisk {
    return new FaultDisk({
      random: this.#random,
      clock: this.#clock,
      callsMax: 0,
      delayMs: ({ kind }) => {
        if (kind === "sync" || kind === "syncDirectory") return this.#around.syncMs();
        return kind === "write" ? 0.05 : 0;
      },
    });
  }

  async #open(initial: Configuration, life: number): Promise<void> {
    const { disk } = this;
    const clock = this.#clock;
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
    if (life !== this.#life) return;
    this.log = log;
    const replica = await Replica.start({
      log,
      producers,
      replicaId: this.replicaId,
      describe: () => this.#describe(),
      clock,
      timing: this.#around.timing,
      random: this.#random,
      schedule: (task) => void clock.after(0, task),
      peers: {
        send: (message) => {
          if (life === this.#life) this.#around.send(this, message);
        },
        connect: () => undefined,
      },
    });
    if (life === this.#life) this.replica = replica;
  }

  #describe(): ReturnType<Parameters<typeof Replica.start>[0]["describe"]> {
    const { name: id } = this;
    return { clusterId: "c", id, rpcAddress: "", httpAddress: "", fsyncRelaxed: false };
  }
}
