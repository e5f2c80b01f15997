import type { Configuration, ConfigurationMember } from "../base/index.ts";

/** The id of a replica: a safe integer above 0, never reused. */
export type ReplicaId = number;

interface EntryPlace {
  /** From 1, dense. */
  readonly index: number;
  /** The leadership that proposed it. */
  readonly term: number;
  /** What the entry weighs against limits in bytes; the core never measures a payload. */
  readonly sizeBytes: number;
}

/** What clients put in. The payload is the driver's; the core only carries it. */
export interface NormalEntry extends EntryPlace {
  readonly kind: "normal";
  readonly payload: unknown;
}

/** A leader's first entry, or what is left of a configuration change that was refused. Weighs nothing. */
export interface NoopEntry extends EntryPlace {
  readonly kind: "noop";
  readonly payload: undefined;
}

export interface ConfigurationEntry extends EntryPlace {
  readonly kind: "configuration";
  readonly payload: ConfigurationChange;
}

/** Raft's envelope. Immutable: entries are shared between log, messages and driver. */
export type Entry = NormalEntry | NoopEntry | ConfigurationEntry;
export type EntryKind = Entry["kind"];

export interface ConfigurationOperation {
  readonly kind: "addVoter" | "addLearner" | "remove" | "update";
  /** Only `replicaId` counts for a removal or an update. An id of 0 makes the operation void. */
  readonly member: ConfigurationMember;
}

/**
 * A change of who takes part (thesis chapter 4). It takes effect when its entry is *applied*, never
 * before; at most one is unapplied at a time.
 */
export interface ConfigurationChange {
  /** 1: exactly one operation, never joint. 2: any number; none at all ends a joint configuration. */
  readonly version: 1 | 2;
  /**
   * `auto`: joint only with more than one operation, and then left by the leader itself.
   * `implicit`: joint, and left by the leader itself. `explicit`: joint, and left by an empty change.
   */
  readonly transition: "auto" | "implicit" | "explicit";
  readonly operations: readonly ConfigurationOperation[];
  /** The proposer's own; the core only carries it. */
  readonly context?: unknown;
  /**
   * What the change makes, put in by the leader: at most one change is unapplied, so that it knows.
   * A replica whose log begins after the configurations before it takes the whole from here.
   */
  readonly configuration?: Configuration;
}
