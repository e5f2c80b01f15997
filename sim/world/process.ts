import { chance, type Clock, type Random } from "../../src/base/index.ts";
import type { World } from "./world.ts";

/** Something that comes to a process from outside. */
interface Waiting {
  readonly action: () => void;
  readonly isClient: boolean;
}

/**
 * The process of one machine, one life after the other. Everything that it waits for, timers, disk and
 * network, comes through here, so that a paused process sees nothing and a dead one never does again.
 */
export class Process {
  /** Something has happened here since somebody last looked. */
  isTouched = false;
  /** Of this process: of the machine's wall clock, and of its lives. */
  readonly clock: Clock;
  readonly #world: World;
  readonly #random: Random;
  #isUp = false;
  #life = 0;
  #pausedUntilMs = 0;
  #waiting: Waiting[] = [];

  /** Wall clocks are off by some milliseconds. */
  constructor(world: World, random: Random, skewMs: number) {
    this.#world = world;
    this.#random = random;
    this.clock = this.#clockOf(world.clock(skewMs));
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** Which life this is; what an earlier one was waiting for never comes. */
  get life(): number {
    return this.#life;
  }

  begin(): number {
    this.#isUp = true;
    this.isTouched = true;
    this.#life += 1;
    return this.#life;
  }

  end(): void {
    this.#isUp = false;
    this.#life += 1;
    this.#waiting = [];
    this.#pausedUntilMs = 0;
  }

  pause(ms: number): void {
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, this.#world.nowMs + ms);
    const life = this.#life;
    this.#world.after(ms, () => {
      if (life === this.#life && this.#pausedUntilMs <= this.#world.nowMs) this.#resume();
    });
  }

  /** Now, or when the process goes on; never in another life. */
  run(life: number, action: () => void, isClient = false): void {
    if (life !== this.#life) return;
    if (this.#pausedUntilMs > this.#world.nowMs) this.#waiting.push({ action, isClient });
    else {
      this.isTouched = true;
      action();
    }
  }

  #resume(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    // They came over other connections: which are read first, nobody knows.
    if (chance(this.#random, 0.5)) waiting.sort((a, b) => Number(b.isClient) - Number(a.isClient));
    for (const { action, isClient } of waiting) this.run(this.#life, action, isClient);
  }

  #clockOf(machine: Clock): Clock {
    return {
      now: () => machine.now(),
      monotonic: () => machine.monotonic(),
      after: (ms, callback) => {
        const life = this.#life;
        let isLive = true;
        const cancel = this.#world.after(Math.max(0, ms), () => {
          this.run(life, () => {
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
}
