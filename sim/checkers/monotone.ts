import type { Checker, Report, StateFacts } from "./observation.ts";

/**
 * I6: terms and commits do not go back, and a vote is not changed within a term. A restart may forget
 * how far was committed; it forgets neither term nor vote that others were told of.
 */
export class Monotone implements Checker {
  readonly #last: Map<number, StateFacts> = new Map();
  readonly #report: Report;

  constructor(report: Report) {
    this.#report = report;
  }

  observed(replica: number, state: StateFacts): void {
    const last = this.#last.get(replica);
    this.#last.set(replica, state);
    if (last === undefined || last === state) return;
    if (state.term < last.term) {
      this.#report("I6", `${replica} went back from term ${last.term} to ${state.term}`);
    }
    if (state.term === last.term && last.vote !== 0 && state.vote !== last.vote) {
      this.#report("I6", `${replica} voted for ${last.vote}, now ${state.vote}, in ${state.term}`);
    }
    if (state.commit < last.commit) {
      this.#report("I6", `${replica} went back from commit ${last.commit} to ${state.commit}`);
    }
  }

  restarted(replica: number, state: StateFacts): void {
    this.#last.set(replica, state);
  }

  wiped(replica: number): void {
    this.#last.delete(replica);
  }
}
