import type { Checker, Report, StateFacts, VoteFacts } from "./observation.ts";

/**
 * I2: nobody votes for two candidates in one term, whatever happened in between; and nobody says a vote
 * that its own disk may still lose, which is how it comes to that.
 */
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

  voted(replica: number, term: number, candidate: number, kept?: VoteFacts): void {
    const isKept =
      kept === undefined || kept.term > term || isSame(kept, { term, vote: candidate });
    if (!isKept) {
      const held = `its disk has ${kept.vote} in ${kept.term}`;
      this.#report("I2", `${replica} voted for ${candidate} in term ${term}, and ${held}`);
    }
    const key = `${replica} in ${term}`;
    const other = this.#votes.get(key);
    if (other === undefined) this.#votes.set(key, candidate);
    else if (other !== candidate) {
      this.#report("I2", `${replica} voted for ${other} and ${candidate} in term ${term}`);
    }
  }
}

function isSame(a: VoteFacts, b: VoteFacts): boolean {
  return a.term === b.term && a.vote === b.vote;
}
