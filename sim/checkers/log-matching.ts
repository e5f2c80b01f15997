import type { Checker, EntryFacts, Report } from "./observation.ts";

/**
 * I3, log matching: an index and a term name one entry, and one prefix. Enough for the prefix is that
 * they also name the term before: the rest follows by induction.
 */
export class LogMatching implements Checker {
  readonly #known: Map<number, Map<number, { digest: number; previousTerm: number | undefined }>> =
    new Map();
  readonly #report: Report;

  constructor(report: Report) {
    this.#report = report;
  }

  entry({ index, term, digest }: EntryFacts, previousTerm: number | undefined): void {
    let byTerm = this.#known.get(index);
    if (byTerm === undefined) {
      byTerm = new Map();
      this.#known.set(index, byTerm);
    }
    const known = byTerm.get(term);
    if (known === undefined) {
      byTerm.set(term, { digest, previousTerm });
    } else if (known.digest !== digest) {
      this.#report("I3", `entry ${index} of term ${term} has two contents`);
    } else if (known.previousTerm === undefined) {
      known.previousTerm = previousTerm;
    } else if (previousTerm !== undefined && known.previousTerm !== previousTerm) {
      const terms = `${known.previousTerm} and ${previousTerm}`;
      this.#report("I3", `entry ${index} of term ${term} follows terms ${terms}`);
    }
  }
}
