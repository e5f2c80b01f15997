/**
 * What can be seen of replicas from outside: the words that checkers are told in. They know terms,
 * indexes and votes as the Raft paper has them, and nothing of who implements it.
 */

/** One entry, by its coordinates and a digest of its content. */
export interface EntryFacts {
  readonly index: number;
  readonly term: number;
  readonly digest: number;
}

/** A replica's log. */
export interface LogFacts {
  /** The first entry that is still there. */
  readonly firstIndex: number;
  readonly lastIndex: number;
  /** Up to here a power cut takes nothing. */
  readonly durableIndex: number;
  /** Of an entry that is there, or of the one before the first; else undefined. */
  termAt(index: number): number | undefined;
}

/** For whom a replica voted, and in which term. */
export interface VoteFacts {
  readonly term: number;
  readonly vote: number;
}

export type Role = "follower" | "pre-candidate" | "candidate" | "leader";

/** What a replica says of itself after an event. */
export interface StateFacts {
  readonly role: Role;
  readonly term: number;
  /** Whom it voted for in this term; 0: nobody. */
  readonly vote: number;
  readonly commit: number;
  /** Who decides: one set of voters, or both while a joint change runs. */
  readonly voters: readonly (readonly number[])[];
}

/** What a checker is told with; each listens to what concerns it. */
export interface Checker {
  /** After an event at a replica. */
  observed?(replica: number, state: StateFacts, log: LogFacts): void;
  /** It runs again, and knows what it kept. */
  restarted?(replica: number, state: StateFacts): void;
  /** Its disk was lost; what comes under this id is new. */
  wiped?(replica: number): void;
  /** A vote left it for the network; `kept` is what its disk will know of it after a power cut. */
  voted?(replica: number, term: number, candidate: number, kept?: VoteFacts): void;
  /** It told its leader, whose log is `leaders` while it leads, that its own matches up to `index`. */
  acknowledged?(replica: number, index: number, log: LogFacts, leaders?: LogFacts): void;
  /** An entry is in a log, or on its way to one; `previousTerm` is that of the entry before it, if known. */
  entry?(entry: EntryFacts, previousTerm: number | undefined): void;
  /** It gave up its entries from `index` on. */
  truncated?(replica: number, index: number): void;
  /** An entry was applied by a replica that is in `term`. */
  applied?(replica: number, entry: EntryFacts, term: number): void;
  /** A prefix marker took the place of everything up to `index`. */
  installed?(replica: number, index: number, term: number): void;
}

/** Tells of a broken rule. */
export type Report = (rule: string, message: string) => void;
