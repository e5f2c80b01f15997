/**
 * Lifeguard's local health multiplier: how much we trust our own judgement. A member that gets few
 * answers is more likely slow itself than surrounded by the dead, so it waits longer before it
 * accuses. (Dadgar, Phillips, Currey: "Lifeguard", section IV-A.)
 */
export class Awareness {
  /** 0 is healthy. */
  score = 0;
  readonly #max: number;

  /** The score stays below `max`. */
  constructor(max: number) {
    this.#max = max;
  }

  apply(delta: number): void {
    this.score = Math.min(this.#max - 1, Math.max(0, this.score + delta));
  }

  /** A time, stretched by our health. */
  scale(time: number): number {
    return time * (this.score + 1);
  }
}
