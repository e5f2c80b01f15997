import { assert, Deque, seededRandom, type Clock, type Random } from "../../src/base/index.ts";
import { EventQueue, isBefore, type Scheduled } from "./event-queue.ts";
import { hashText, Transcript } from "./transcript.ts";

/** When the simulated years begin: 2026-01-01, so that stamps look like stamps. */
const EPOCH_MS = 1_767_225_600_000;

/**
 * Time and chance of one run, both from one seed. Time stands still while something happens and jumps
 * to the next event; chance comes in streams, one per purpose, so that a draw more in one place does
 * not shift all the others.
 */
export class World {
  readonly seed: number;
  readonly transcript: Transcript = new Transcript();
  readonly #queue: EventQueue = new EventQueue();
  /** What happens still at this moment, in order: a queue of its own, because it is half of everything. */
  readonly #now: Deque<Scheduled> = new Deque();
  #nowMs = 0;
  #scheduled = 0;

  constructor(seed: number) {
    this.seed = seed;
  }

  /** Milliseconds since the beginning. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Chance for one purpose; each call begins its stream anew. */
  random(purpose: string): Random {
    return seededRandom((Math.imul(this.seed, 0x9e3779b1) ^ hashText(purpose)) >>> 0);
  }

  /** Calls back after `ms`; the result cancels. */
  after(ms: number, action: () => void): () => void {
    assert(ms >= 0, "nothing is scheduled in the past");
    const event: Scheduled = { at: this.#nowMs + ms, number: ++this.#scheduled, action };
    if (ms === 0) this.#now.push(event);
    else this.#queue.push(event);
    return () => (event.action = undefined);
  }

  note(what: string, a = 0, b = 0, c = 0): void {
    this.transcript.note(this.#nowMs, what, a, b, c);
  }

  /** The time of a machine, whose wall clock is off by `skewMs`. */
  clock(skewMs = 0): Clock {
    return {
      now: () => Math.floor(EPOCH_MS + this.#nowMs + skewMs),
      monotonic: () => this.#nowMs,
      after: (ms, callback) => this.after(Math.max(0, ms), callback),
    };
  }

  /** Makes the next event happen if it is due by `untilMs`; false, with time there, when none is. */
  step(untilMs: number): boolean {
    for (;;) {
      const next = this.#next();
      if (next === undefined || next.at > untilMs) {
        this.#nowMs = Math.max(this.#nowMs, untilMs);
        return false;
      }
      if (next === this.#now.peek()) this.#now.shift();
      else this.#queue.pop();
      const { action } = next;
      if (action === undefined) continue;
      this.#nowMs = next.at;
      next.action = undefined;
      action();
      return true;
    }
  }

  #next(): Scheduled | undefined {
    const now = this.#now.peek();
    const later = this.#queue.peek();
    if (now === undefined || later === undefined) return now ?? later;
    return isBefore(later, now) ? later : now;
  }
}
