import type { Checker, Report, StateFacts } from "./observation.ts";

/** I2: nobody votes for two candidates in one term, whatever happened in between. */
export class OneVote implements Checker {
  readonly #votes: Map<string, number> = new Map();
  readonly #report: Report;

  constructor(report: Report) {
    this.#report = report;
  }

  /** Who leads has voted for itself. */
  observed(replica: number, { role, term }: StateFacts): void {
    if (role === "leader") this.voted(replica, term, replica);
  }

  voted(replica: number, term: number, candidate: number): void {
    const key = `${replica} in ${term}`;
    const other = this.#votes.get(key);
    if (other === undefined) this.#votes.set(key, candidate);
    else if (other !== candidate) {
      this.#report("I2", `${replica} voted for ${other} and ${candidate} in term ${term}`);
    }
  }
}
