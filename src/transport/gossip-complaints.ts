import { labelsBy, limits } from "../base/index.ts";
import type { Clock, Observer } from "../base/index.ts";

const REASON = labelsBy("reason");

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

  /** Counters of these exist from now on, at zero: an alert can see the first one. */
  expect(what: readonly string[]): void {
    for (const reason of what) this.#observer.count("gossip_dropped_total", 0, REASON(reason));
  }

  /** `what` is a word of a fixed list: it becomes a label. */
  add(event: string, what: string, from: string): void {
    this.#observer.count("gossip_dropped_total", 1, REASON(what));
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
