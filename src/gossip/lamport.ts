import { limits } from "../base/index.ts";

/** No clock of ours goes beyond it: above are numbers that are not exact. */
const TIME_LAST = 2 ** 52;

/** A Lamport clock: it orders what members say of each other without anybody's wall clock. */
export class LamportClock {
  /** The time that the next thing of ours gets. */
  time: number;

  constructor(time = 1) {
    this.time = time;
  }

  /** Returns the time and moves on. */
  increment(): number {
    return this.time++;
  }

  /** Somebody lives at `time`; from now on we are after it. */
  witness(time: number): void {
    if (time >= this.time) this.time = time + 1;
  }

  /**
   * Whether a time is believed. A forged one far ahead would leave no room for later ones, so times are
   * believed up to a bound that no honest cluster reaches, and beyond it only a little ahead of our own
   * clock. What is further ahead moves our clock to the bound, no more: where all clocks were driven
   * beyond it, one that begins anew is so among them after a message or two, and not left out for ever.
   */
  admits(time: number): boolean {
    if (!Number.isSafeInteger(time) || time < 0) return false;
    const bound = Math.max(limits.gossipTimeMax, this.time + limits.gossipTimeStepMax);
    if (time <= bound) return true;
    this.time = Math.min(bound, TIME_LAST);
    return false;
  }
}
