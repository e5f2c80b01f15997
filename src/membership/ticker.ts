import type { Clock } from "../base/index.ts";

/** So many ticks late, and the process was held up: it goes on from now. */
const LATE_TICKS = 5;

/** What lives by ticks. */
export interface Ticking {
  /** For so many ticks nothing happens of itself. */
  ticksUntilDue(): number;
  /** So many ticks have passed, and nothing was due in them. */
  pass(ticks: number): void;
  /** So many ticks have passed, and what is due is to be done. */
  expire(ticks: number): void;
}

/**
 * Lets time pass in ticks, and sleeps while nothing is due: a member that is alone should cost nothing.
 * Made good is the little that timers are late. After a longer pause (a stopped process, a blocked
 * loop) it gives the sockets a turn of the event loop first, does what was due, and forgets the rest:
 * what others could not tell us meanwhile must not count against them.
 */
export class Ticker {
  readonly #clock: Clock;
  readonly #tickMs: number;
  readonly #ticking: Ticking;
  /** Up to here time has passed. */
  #passedAt: number;
  #wakeAt = Infinity;
  #cancel: () => void = () => undefined;
  #isStopped = false;

  constructor(clock: Clock, tickMs: number, ticking: Ticking) {
    this.#clock = clock;
    this.#tickMs = tickMs;
    this.#ticking = ticking;
    this.#passedAt = clock.monotonic();
    this.arm();
  }

  /** Before anything from outside: the time until now passes, but not as far as what is due. */
  sync(): void {
    const ticks = Math.min(this.#elapsed(), this.#ticking.ticksUntilDue() - 1);
    if (ticks <= 0) return;
    this.#passedAt += ticks * this.#tickMs;
    this.#ticking.pass(ticks);
  }

  /** After anything that may have made something due sooner. */
  arm(): void {
    const at = this.#passedAt + this.#ticking.ticksUntilDue() * this.#tickMs;
    if (this.#isStopped || at >= this.#wakeAt) return;
    this.#cancel();
    this.#wakeAt = at;
    const ms = Math.max(0, Math.ceil(at - this.#clock.monotonic()));
    this.#cancel = this.#clock.after(ms, () => this.#wake());
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel();
  }

  #wake(): void {
    const isHeldUp = this.#clock.monotonic() - this.#wakeAt >= LATE_TICKS * this.#tickMs;
    // The timer of the next turn of the event loop: sockets are read in between.
    if (isHeldUp) this.#cancel = this.#clock.after(0, () => this.#goOn());
    else this.#expire(this.#elapsed());
  }

  #goOn(): void {
    const due = Math.round((this.#wakeAt - this.#passedAt) / this.#tickMs);
    this.#passedAt = this.#clock.monotonic() - Math.max(0, due) * this.#tickMs;
    this.#expire(due);
  }

  #expire(ticks: number): void {
    this.#wakeAt = Infinity;
    if (ticks > 0) {
      this.#passedAt += ticks * this.#tickMs;
      this.#ticking.expire(ticks);
    }
    this.arm();
  }

  #elapsed(): number {
    return Math.floor((this.#clock.monotonic() - this.#passedAt) / this.#tickMs);
  }
}
