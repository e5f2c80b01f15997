import type { Configuration } from "../base/index.ts";
import type { Entry, ReplicaId } from "./entry.ts";

/** What a replica must not forget: paper figure 2, "persistent state". */
export interface HardState {
  readonly term: number;
  /** Whom this replica voted for in `term`; 0: nobody. */
  readonly vote: ReplicaId;
  /** A hint: it may be lost, and is then learned again from a leader. */
  readonly commit: number;
}

/**
 * The state that stands for all entries up to `index`. In proglog it is the *prefix marker*: the log
 * is the state, so that nothing but side state travels, and the leader's first entries follow.
 */
export interface Snapshot {
  readonly index: number;
  readonly term: number;
  /** As of `index`: never a change that was not applied then. */
  readonly configuration: Configuration;
  /** The driver's; the core only carries it. */
  readonly data: unknown;
}

export interface InitialState {
  readonly hardState: HardState;
  /** The one that was *applied* last; nobody at all in a replica that waits to be added. */
  readonly configuration: Configuration;
  /** The entry that made it; 0 for the first. An entry at or below it is not applied again. */
  readonly configurationIndex: number;
}

/**
 * The durable log, as the core sees it: synchronous, and without what `Ready` handed out and storage
 * has not yet acknowledged. Terms are answered from memory; entries may have to be fetched first.
 */
export interface Storage {
  initialState(): InitialState;
  /** One past the prefix that is gone; `lastIndex() + 1` when the log is empty. */
  firstIndex(): number;
  lastIndex(): number;
  /** The term at `index`, also at `firstIndex() − 1`; undefined for what is not there. */
  term(index: number): number | undefined;
  /**
   * Entries of `[low, high)`, as many as fit into `bytesMax` and at least one. `unavailable`: not in
   * memory now; the driver fetches them and calls `Raft.reportEntriesAvailable`.
   */
  entries(
    low: number,
    high: number,
    bytesMax: number,
  ): readonly Entry[] | "compacted" | "unavailable";
  /** The newest snapshot; undefined: not now, ask again. Its index is at least `firstIndex() − 1`. */
  snapshot(): Snapshot | undefined;
}
