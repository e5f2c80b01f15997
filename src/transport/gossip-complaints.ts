import { limits } from "../base/index.ts";
import type { Clock, Observer } from "../base/index.ts";

/** Counts all that was not understood, and tells of it at most once a second. */
export class Complaints {
  readonly #observer: Observer;
  readonly #clock: Clock;
  #toldAt = -Infinity;
  #untold = 0;

  constructor(observer: Observer, clock: Clock) {
    this.#observer = observer;
    this.#clock = clock;
  }

  /** `what` is a word of a fixed list: it becomes part of a counter's name. */
  add(event: string, what: string, from: string): void {
    this.#observer.count(`gossip_dropped_${what}_total`);
    const now = this.#clock.monotonic();
    if (now - this.#toldAt < limits.gossipComplaintIntervalMs) {
      this.#untold += 1;
      return;
    }
    const more = this.#untold === 0 ? {} : { more_since_last: this.#untold };
    this.#observer.log("warn", event, { reason: what, from, ...more });
    this.#toldAt = now;
    this.#untold = 0;
  }
}
