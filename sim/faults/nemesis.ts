import { below, chance, type Random } from "../../src/base/index.ts";
import type { Swarm, World } from "../world/index.ts";
import type { Target } from "./target.ts";

const MINUTE_MS = 60_000;

/** Makes the faults of a run happen, until it is told to stop. */
export class Nemesis {
  readonly #world: World;
  readonly #random: Random;
  readonly #target: Target;
  #stopped = false;

  constructor(world: World, swarm: Swarm, target: Target) {
    this.#world = world;
    this.#random = world.random("faults");
    this.#target = target;
    this.#every(swarm.crashes, () => this.#crash());
    this.#every(swarm.powerCuts, () => this.#powerCut());
    this.#every(swarm.pauses, () => this.#pause());
    this.#every(swarm.partitions, () => this.#partition());
    this.#every(swarm.clogs, () => this.#clog());
    this.#every(swarm.resets, () => this.#target.reset(this.#machine(), this.#machine()));
    this.#every(swarm.transfers, () => this.#target.transferLeadership(this.#random));
    this.#every(swarm.membershipChanges, () => this.#target.changeMembership(this.#random));
    this.#every(swarm.damages, () => this.#damage());
    this.#every(swarm.fullDisks, () => this.#fullDisk());
    this.#every(swarm.writeBacks, () => this.#target.writeBack(this.#machine()));
    this.#every(swarm.diskErrors, () => this.#target.failDisk(this.#machine(), this.#random));
  }

  /** Nothing goes wrong any more; what is down is started, what is cut off is connected. */
  stop(): void {
    this.#stopped = true;
    this.#target.healNetwork();
    for (const machine of this.#target.machines) this.#restart(machine);
  }

  #every(perMinute: number, fault: () => void): void {
    if (perMinute === 0) return;
    const next = (): void => {
      const u = (1 + below(this.#random, 1 << 20)) / (1 << 20);
      this.#world.after((-Math.log(u) * MINUTE_MS) / perMinute, () => {
        if (this.#stopped) return;
        fault();
        next();
      });
    };
    next();
  }

  #machine(): number {
    const { machines } = this.#target;
    return machines[below(this.#random, machines.length)] as number;
  }

  /** Mostly short, sometimes long. */
  #while(): number {
    return 10 + below(this.#random, chance(this.#random, 0.7) ? 1_500 : 8_000);
  }

  #restart(machine: number): void {
    if (this.#target.isUp(machine)) return;
    this.#world.note("restart", machine);
    this.#target.restart(machine);
  }

  #restartLater(machine: number, ms: number): void {
    this.#world.after(ms, () => this.#restart(machine));
  }

  #crash(): void {
    const machine = this.#machine();
    if (!this.#target.isUp(machine)) return;
    const how = chance(this.#random, 0.5) ? "kill" : "power";
    this.#world.note(how, machine);
    this.#target.crash(machine, how);
    this.#restartLater(machine, this.#while());
  }

  /** The power of all machines at once, as in one rack. They do not come back together. */
  #powerCut(): void {
    this.#world.note("power cut of all");
    for (const machine of this.#target.machines) {
      if (this.#target.isUp(machine)) this.#target.crash(machine, "power");
      this.#restartLater(machine, below(this.#random, 2_000));
    }
  }

  #pause(): void {
    const machine = this.#machine();
    if (!this.#target.isUp(machine)) return;
    const ms = this.#while();
    this.#world.note("pause", machine, Math.round(ms));
    this.#target.pause(machine, ms);
  }

  #partition(): void {
    const { machines } = this.#target;
    const side = machines.filter(() => chance(this.#random, 0.5));
    const oneWay = chance(this.#random, 0.3);
    const partial = chance(this.#random, 0.3);
    this.#world.note("partition", bits(side), oneWay ? 1 : 0, partial ? 1 : 0);
    for (const a of side) {
      for (const b of machines) {
        if (side.includes(b) || (partial && chance(this.#random, 0.5))) continue;
        this.#target.block(a, b);
        if (!oneWay) this.#target.block(b, a);
      }
    }
    this.#world.after(this.#while(), () => {
      if (this.#stopped) return;
      this.#world.note("heal");
      this.#target.healNetwork();
    });
  }

  #clog(): void {
    this.#target.clog(this.#machine(), this.#machine(), this.#while());
  }

  #fullDisk(): void {
    const machine = this.#machine();
    const ms = this.#while();
    this.#world.note("full disk", machine, Math.round(ms));
    this.#target.fillDisk(machine, ms, this.#random);
  }

  #damage(): void {
    const machine = this.#machine();
    if (!this.#target.damage(machine, this.#random)) return;
    this.#world.note("damage", machine);
    this.#restartLater(machine, this.#while());
  }
}

/** A set of small numbers as one. */
function bits(machines: readonly number[]): number {
  return machines.reduce((mask, machine) => mask | (1 << (machine % 31)), 0);
}
