import { Committed } from "./committed.ts";
import { Durable } from "./durable.ts";
import { DurableMajority } from "./durable-majority.ts";
import { ElectionSafety } from "./election-safety.ts";
import { LogMatching } from "./log-matching.ts";
import { Monotone } from "./monotone.ts";
import type {
  Checker,
  EntryFacts,
  LogFacts,
  Report,
  StateFacts,
  VoteFacts,
} from "./observation.ts";
import { OneVote } from "./one-vote.ts";

/** All checkers of consensus as one: each is told of what it listens to. */
export class Watch implements Required<Checker> {
  readonly elections: ElectionSafety;
  readonly committed: Committed;
  readonly #checkers: readonly Checker[];

  /** `logOf` shows the log of any replica, also of one that is down; undefined when it has none. */
  constructor(report: Report, logOf: (replica: number) => LogFacts | undefined) {
    this.elections = new ElectionSafety(report);
    this.committed = new Committed(report);
    this.#checkers = [
      this.elections,
      new OneVote(report),
      new LogMatching(report),
      this.committed,
      new Monotone(report),
      new Durable(report),
      new DurableMajority(report, logOf),
    ];
  }

  observed(replica: number, state: StateFacts, log: LogFacts): void {
    for (const checker of this.#checkers) checker.observed?.(replica, state, log);
  }

  restarted(replica: number, state: StateFacts): void {
    for (const checker of this.#checkers) checker.restarted?.(replica, state);
  }

  wiped(replica: number): void {
    for (const checker of this.#checkers) checker.wiped?.(replica);
  }

  voted(replica: number, term: number, candidate: number, kept?: VoteFacts): void {
    for (const checker of this.#checkers) checker.voted?.(replica, term, candidate, kept);
  }

  acknowledged(replica: number, index: number, log: LogFacts, leaders?: LogFacts): void {
    for (const checker of this.#checkers) checker.acknowledged?.(replica, index, log, leaders);
  }

  entry(entry: EntryFacts, previousTerm: number | undefined): void {
    for (const checker of this.#checkers) checker.entry?.(entry, previousTerm);
  }

  truncated(replica: number, index: number): void {
    for (const checker of this.#checkers) checker.truncated?.(replica, index);
  }

  applied(replica: number, entry: EntryFacts, term: number): void {
    for (const checker of this.#checkers) checker.applied?.(replica, entry, term);
  }

  installed(replica: number, index: number, term: number): void {
    for (const checker of this.#checkers) checker.installed?.(replica, index, term);
  }
}
