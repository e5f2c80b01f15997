import type { Report } from "./observation.ts";

/**
 * D3, G4, G6: where a log begins. It does not go back while a replica runs, and in the end not at all; it never lies beyond what is committed, and it is
 * nowhere above what somebody asked to let go of.
 */
export class LogStart {
  readonly #report: Report;
  readonly #starts: Map<number, number> = new Map();
  /** As far as any of them ever began. */
  #highest = 0;
  /** Below this offset records may be gone. */
  #allowed = 0;

  constructor(report: Report) {
    this.#report = report;
  }

  /** Somebody asks for the records below an offset to go; nobody knows yet whether it will be done. */
  ordered(before: number): void {
    this.#allowed = Math.max(this.#allowed, before);
  }

  /** A replica serves [start, next). */
  observed(replica: number, start: number, next: number): void {
    const before = this.#starts.get(replica) ?? 0;
    if (start < before) this.#report("I6", `${replica} begins at ${start} again, after ${before}`);
    if (start > next) this.#report("G4", `${replica} begins at ${start}, and ${next} is committed`);
    if (start > this.#allowed) {
      this.#report("D3", `${replica} begins at ${start}, and only ${this.#allowed} was to go`);
    }
    this.#starts.set(replica, start);
    this.#highest = Math.max(this.#highest, start);
  }

  /** I12: in the end nobody has again what somebody had let go of. */
  settled(replica: number, start: number): void {
    if (start >= this.#highest) return;
    this.#report("I12", `${replica} begins at ${start}, and ${this.#highest} was the start before`);
  }

  /** It learns anew how far is committed, and so where the log begins. */
  restarted(replica: number): void {
    this.#starts.delete(replica);
  }
}
