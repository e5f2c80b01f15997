import type { Checker, LogFacts, Report } from "./observation.ts";

/**
 * I7, the half that can be seen at once: nobody acknowledges what its own disk may still lose. And I3,
 * as far as it is said: nobody acknowledges to its leader an entry that is another one there.
 */
export class Durable implements Checker {
  readonly #report: Report;

  constructor(report: Report) {
    this.#report = report;
  }

  acknowledged(replica: number, index: number, log: LogFacts, leaders?: LogFacts): void {
    const { durableIndex } = log;
    if (index > durableIndex) {
      this.#report("I7", `${replica} acknowledged ${index}, and only ${durableIndex} is durable`);
    }
    if (leaders === undefined || index < leaders.firstIndex) return;
    const own = log.termAt(index);
    const theirs = leaders.termAt(index);
    if (own === undefined || own === theirs) return;
    const message = `${replica} acknowledged ${own}/${index}, its leader has ${theirs ?? "nothing"} there`;
    this.#report("I3", message);
  }
}
