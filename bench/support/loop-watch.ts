import { monitorEventLoopDelay } from "node:perf_hooks";
import type { IntervalHistogram } from "node:perf_hooks";

/** The histogram holds the time between two looks, which should be this long. */
const LOOK_MS = 1;

export interface LoopDelay {
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** How late this process's event loop is, from `start` to `read`. */
export class LoopWatch {
  #delays: IntervalHistogram | undefined;

  start(): void {
    this.#delays = monitorEventLoopDelay({ resolution: LOOK_MS });
    this.#delays.enable();
  }

  read(): LoopDelay {
    if (this.#delays === undefined) throw new Error("nobody watches the loop");
    this.#delays.disable();
    const ms = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - LOOK_MS);
    return { p99Ms: ms(this.#delays.percentile(99)), maxMs: ms(this.#delays.max) };
  }
}
