import type { Checker, EntryFacts, LogFacts, Report, StateFacts } from "./observation.ts";

/**
 * I4 and I5. What one replica applied at an index every other applies there (state-machine safety);
 * whoever comes to lead has all of it (leader completeness); nobody who had it cuts it off
 * (committed stays).
 */
export class Committed implements Checker {
  /** By index: what was applied there. */
  readonly entries: EntryFacts[] = [];
  /** By index: a term in which it was committed at the latest. */
  readonly #committedIn: number[] = [];
  readonly #report: Report;
  /** Per leader, the term in which its log was looked at. */
  readonly #examined: Map<number, number> = new Map();
  readonly #appliedTo: Map<number, number> = new Map();

  constructor(report: Report) {
    this.#report = report;
  }

  applied(replica: number, entry: EntryFacts, term: number): void {
    const last = this.#appliedTo.get(replica);
    if (last !== undefined && entry.index !== last + 1) {
      this.#report("I6", `${replica} applied ${entry.index} after ${last}`);
    }
    this.#appliedTo.set(replica, entry.index);
    const known = this.entries[entry.index];
    if (known === undefined) {
      this.entries[entry.index] = entry;
      this.#committedIn[entry.index] = term;
    } else if (known.term !== entry.term || known.digest !== entry.digest) {
      const terms = `of term ${known.term} and of term ${entry.term}`;
      this.#report(
        "I5",
        `two entries were applied at ${entry.index}, ${terms}; ${replica} did last`,
      );
    }
  }

  installed(replica: number, index: number, term: number): void {
    const known = this.entries[index];
    if (known !== undefined && known.term !== term) {
      this.#report("I5", `${replica} took a marker at ${index} of term ${term}, not ${known.term}`);
    }
    this.#appliedTo.set(replica, index);
  }

  /** Where a replica goes on to apply is its own affair: what it applies is compared all the same. */
  restarted(replica: number): void {
    this.#appliedTo.delete(replica);
  }

  observed(replica: number, { role, term, commit }: StateFacts, log: LogFacts): void {
    if (commit > log.lastIndex) {
      this.#report("I5", `${replica} commits ${commit}, beyond its last entry ${log.lastIndex}`);
    }
    if (role !== "leader" || this.#examined.get(replica) === term) return;
    this.#examined.set(replica, term);
    for (let index = this.entries.length - 1; index >= log.firstIndex; index--) {
      const entry = this.entries[index];
      // A leader of an old term, elected by late votes, is not asked for what came after it.
      if (entry === undefined || (this.#committedIn[index] as number) >= term) continue;
      if (log.termAt(index) === entry.term) continue;
      this.#report("I4", `${replica} leads term ${term} without ${entry.term}/${index}, committed`);
      return;
    }
  }

  truncated(replica: number, index: number): void {
    const last = this.#appliedTo.get(replica);
    if (last !== undefined && index <= last) {
      this.#report("I5", `${replica} cut its log at ${index}, and had applied up to ${last}`);
    }
  }
}
