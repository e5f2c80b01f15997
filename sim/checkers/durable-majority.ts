import type { Checker, LogFacts, Report, StateFacts } from "./observation.ts";

/**
 * I5 and I7, the other half: what a leader calls committed is durable on a majority of voters at that
 * moment, its own disk counted like any other. This finds a commit that came too early without any
 * power having to be cut.
 */
export class DurableMajority implements Checker {
  readonly #report: Report;
  readonly #logOf: (replica: number) => LogFacts | undefined;
  readonly #votersOf: Map<number, StateFacts["voters"]> = new Map();
  #committed = 0;

  constructor(report: Report, logOf: (replica: number) => LogFacts | undefined) {
    this.#report = report;
    this.#logOf = logOf;
  }

  observed(replica: number, { role, commit, voters }: StateFacts, log: LogFacts): void {
    const before = this.#votersOf.get(replica) ?? voters;
    this.#votersOf.set(replica, voters);
    if (role !== "leader" || commit <= this.#committed) return;
    this.#committed = commit;
    const term = log.termAt(commit);
    if (term === undefined) return;
    // A change that the same event applied may have been counted with or without.
    if (this.#isHeld(voters, commit, term) || this.#isHeld(before, commit, term)) return;
    this.#report("I5", `${replica} committed ${term}/${commit}, durable on no majority`);
  }

  restarted(replica: number): void {
    this.#votersOf.delete(replica);
  }

  #isHeld(sets: StateFacts["voters"], index: number, term: number): boolean {
    return sets.every((voters) => {
      const holders = voters.filter((voter) => {
        const log = this.#logOf(voter);
        if (log === undefined || index > log.durableIndex) return false;
        return index < log.firstIndex || log.termAt(index) === term;
      });
      return holders.length > voters.length / 2;
    });
  }
}
