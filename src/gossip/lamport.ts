import { limits } from "../base/index.ts";

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
   * A forged time far ahead would leave no room for later ones. So times are believed up to a bound that
   * no honest cluster reaches, and beyond it only a little ahead of our own clock.
   */
  believes(time: number): boolean {
    return (
      Number.isSafeInteger(time) &&
      time >= 0 &&
      time <= Math.max(limits.gossipTimeMax, this.time + limits.gossipTimeStepMax)
    );
  }
}
