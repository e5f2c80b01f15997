import type { Clock } from "../base/index.ts";

/** So many ticks late, and the process was held up: it goes on from now. */
const LATE_TICKS = 5;

/**
 * Ticks at a steady pace, made good for the little that timers are late. After a longer pause (a
 * stopped process, a blocked loop) it gives the sockets a turn of the event loop first, ticks once,
 * and forgets the rest: what others could not tell us meanwhile must not count against them.
 */
export class Ticker {
  readonly #clock: Clock;
  readonly #tickMs: number;
  readonly #tick: () => void;
  #due: number;
  #cancel: () => void;

  constructor(clock: Clock, tickMs: number, tick: () => void) {
    this.#clock = clock;
    this.#tickMs = tickMs;
    this.#tick = tick;
    this.#due = clock.monotonic() + tickMs;
    this.#cancel = clock.after(tickMs, () => this.#expire());
  }

  stop(): void {
    this.#cancel();
  }

  #expire(): void {
    const late = this.#clock.monotonic() - this.#due;
    if (late < LATE_TICKS * this.#tickMs) {
      this.#go(this.#due + this.#tickMs);
      return;
    }
    // The timer of the next turn of the event loop: sockets are read in between.
    this.#cancel = this.#clock.after(0, () => this.#go(this.#clock.monotonic() + this.#tickMs));
  }

  #go(due: number): void {
    this.#due = due;
    const pause = Math.max(0, due - this.#clock.monotonic());
    this.#cancel = this.#clock.after(pause, () => this.#expire());
    this.#tick();
  }
}
