import { limits } from "../base/index.ts";
import type { Clock, Fields, LogLevel, Observer } from "../base/index.ts";

/**
 * Lines about members: all that an honest cluster gives rise to, but of a flood no more than one a
 * second, because anybody with the key can declare a thousand deaths in one. The counters have all.
 */
export class LogBudget {
  readonly #observer: Observer;
  readonly #clock: Clock;
  #left = limits.memberLinesMax;
  #filledAt: number;
  #untold = 0;

  constructor(observer: Observer, clock: Clock) {
    this.#observer = observer;
    this.#clock = clock;
    this.#filledAt = clock.monotonic();
  }

  log(level: LogLevel, event: string, fields: Fields): void {
    this.#fill();
    if (this.#left < 1) {
      this.#untold += 1;
      return;
    }
    this.#left -= 1;
    const more = this.#untold === 0 ? {} : { more_since_last: this.#untold };
    this.#observer.log(level, event, { ...fields, ...more });
    this.#untold = 0;
  }

  #fill(): void {
    const now = this.#clock.monotonic();
    const more = (now - this.#filledAt) / limits.gossipComplaintIntervalMs;
    this.#left = Math.min(limits.memberLinesMax, this.#left + more);
    this.#filledAt = now;
  }
}
