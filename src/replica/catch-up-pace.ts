import { limits } from "../base/index.ts";
import type { Clock } from "../base/index.ts";

/** For each byte that the log grows meanwhile, so many more are read: a follower always gains on it. */
const GAIN = 2;
/** Less is not worth a pause. */
const PAUSE_MS_MIN = 1;

/** Where the log stands when entries are to be read for a follower. */
export interface LogPlace {
  readonly commitIndex: number;
  /** The last one that is durable. */
  readonly lastIndex: number;
}

/**
 * How fast old entries are read from the disk for followers that are behind, so that those who append do
 * not notice. One pause follows each round, which is a piece for each follower.
 *
 * There is no pause for entries that are not committed, nor once something waits and nothing is committed
 * for a while: then the majority may be waiting for that very follower.
 */
export class CatchUpPace {
  readonly #clock: Clock;
  readonly #bytesPerSecond: number;
  /** Nothing is read before. */
  #nextAtMs = 0;
  #grownBytes = 0;
  #commitIndex = -1;
  /** When the commit index was first seen where it is, or at the end of the log. */
  #movedAtMs = 0;

  /** `bytesPerSecond` 0: no pause, ever. */
  constructor(clock: Clock, bytesPerSecond: number) {
    this.#clock = clock;
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** The log has grown. */
  grew(bytes: number): void {
    this.#grownBytes += bytes;
  }

  /** How long to wait before entries from an index on are read. */
  pauseMs(fromIndex: number, place: LogPlace): number {
    const now = this.#clock.monotonic();
    const isStuck = this.#isStuck(place, now);
    if (this.#bytesPerSecond === 0 || isStuck || fromIndex > place.commitIndex) return 0;
    const ms = this.#nextAtMs - now;
    return ms < PAUSE_MS_MIN ? 0 : ms;
  }

  #isStuck({ commitIndex, lastIndex }: LogPlace, now: number): boolean {
    if (commitIndex !== this.#commitIndex || lastIndex <= commitIndex) {
      this.#commitIndex = commitIndex;
      this.#movedAtMs = now;
    }
    return now - this.#movedAtMs >= limits.catchUpStuckMs;
  }

  /** A piece was read. */
  read(bytes: number): void {
    if (this.#bytesPerSecond === 0) return;
    const now = this.#clock.monotonic();
    const counted = Math.max(0, bytes - GAIN * this.#grownBytes);
    const nextAtMs = now + (1_000 * counted) / this.#bytesPerSecond;
    // The pieces of one round share its pause.
    this.#nextAtMs = this.#nextAtMs > now ? Math.min(this.#nextAtMs, nextAtMs) : nextAtMs;
    this.#grownBytes = 0;
  }
}
