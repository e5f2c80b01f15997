import type { Checker, LogFacts, Report } from "./observation.ts";

/** I7, the half that can be seen at once: nobody acknowledges what its own disk may still lose. */
export class Durable implements Checker {
  readonly #report: Report;

  constructor(report: Report) {
    this.#report = report;
  }

  acknowledged(replica: number, index: number, { durableIndex }: LogFacts): void {
    if (index > durableIndex) {
      this.#report("I7", `${replica} acknowledged ${index}, and only ${durableIndex} is durable`);
    }
  }
}
