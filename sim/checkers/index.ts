/**
 * # checkers: what must be true, said without knowing how it is done
 *
 * Two kinds. *Consensus* is watched from outside while it runs, event by event, in the words of
 * `observation.ts`: one leader per term, one vote, logs that match, committed entries that stay. A
 * *history* is what clients were told, checked when the run is over: whether one log can have said it
 * all (`history.ts`), and whether sessions, producers and the drained replicas agree with it.
 *
 * Invariants: a checker knows nothing of the implementation and keeps its own memory of the past, so
 * that a replica cannot persuade it; each can fail, and its test shows that it does.
 */
export { Committed } from "./committed.ts";
export { Durable } from "./durable.ts";
export { DurableMajority } from "./durable-majority.ts";
export { ElectionSafety } from "./election-safety.ts";
export {
  type AppendAttempt,
  checkHistory,
  type OffsetRead,
  type Operation,
  type TailRead,
} from "./history.ts";
export { LogStart } from "./log-start.ts";
export { LogMatching } from "./log-matching.ts";
export { Monotone } from "./monotone.ts";
export type {
  Checker,
  EntryFacts,
  LogFacts,
  Report,
  Role,
  StateFacts,
  VoteFacts,
} from "./observation.ts";
export { OneCluster } from "./one-cluster.ts";
export { OneVote } from "./one-vote.ts";
export { Participants, type Participation } from "./participants.ts";
export {
  checkDrain,
  checkNotVacuous,
  checkSequences,
  checkSessions,
  type Holding,
  type Sequenced,
  type Session,
  type Tally,
} from "./sessions.ts";
export type { Violation } from "./violation.ts";
export { Watch } from "./watch.ts";
