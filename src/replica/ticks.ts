import type { Clock } from "../base/index.ts";

/** Time for the core: one tick at a time falls due, and is taken in the turn that it wakes. */
export class Ticks {
  readonly #clock: Clock;
  readonly #tickMs: number;
  readonly #wake: () => void;
  #due = false;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, tickMs: number, wake: () => void) {
    this.#clock = clock;
    this.#tickMs = tickMs;
    this.#wake = wake;
  }

  start(): void {
    this.#cancel ??= this.#next();
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** Whether a tick is due; from now on it is not. */
  take(): boolean {
    const due = this.#due;
    this.#due = false;
    return due;
  }

  #next(): () => void {
    return this.#clock.after(this.#tickMs, () => {
      // However long the loop was held up: what it did not see is no reason for an election.
      this.#due = true;
      this.#wake();
      this.#cancel = this.#next();
    });
  }
}
