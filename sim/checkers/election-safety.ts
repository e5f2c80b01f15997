import type { Checker, Report, StateFacts } from "./observation.ts";

/** I1, election safety (Raft paper, figure 3): at most one leader in a term. */
export class ElectionSafety implements Checker {
  readonly leaders: Map<number, number> = new Map();
  readonly #report: Report;

  constructor(report: Report) {
    this.#report = report;
  }

  observed(replica: number, { role, term }: StateFacts): void {
    if (role !== "leader") return;
    const other = this.leaders.get(term);
    if (other === undefined) this.leaders.set(term, replica);
    else if (other !== replica) {
      this.#report("I1", `${other} and ${replica} lead in term ${term}`);
    }
  }
}
