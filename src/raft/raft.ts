import type { Configuration } from "../base/index.ts";
import type { ConfigurationChange, Entry, ReplicaId } from "./entry.ts";
import type { Message, StorageResponse } from "./message.ts";
import type { Ready, RoleName } from "./ready.ts";
import type { ProposeResult, Proposal, ReadIndexResult, StepResult } from "./result.ts";

/** One replica of one log, deciding. Made by `new Raft(options)`. */
export interface Raft {
  readonly id: ReplicaId;
  readonly role: RoleName;
  readonly term: number;
  readonly vote: ReplicaId;
  /** 0: nobody is known to lead. */
  readonly leader: ReplicaId;
  readonly commitIndex: number;
  /** The last index whose application was acknowledged. */
  readonly appliedIndex: number;
  /** The end of the log, durable or not. */
  readonly lastIndex: number;
  /** The applied configuration, and the entry that made it. */
  readonly configuration: Configuration;
  readonly configurationIndex: number;
  readonly damaged: boolean;

  /** A message from a link, whose `from` the link has checked. */
  step(message: Message): StepResult;
  /** Own answers out of `StorageAppend.responses` and `StorageApply.responses`. */
  stepLocal(response: StorageResponse): void;
  tick(): void;
  /** Campaigns now, as if the election timeout had passed. */
  campaign(): void;
  /** All of them, in order and next to each other, or none. */
  propose(proposals: readonly Proposal[]): ProposeResult;
  proposeConfiguration(change: ConfigurationChange, sizeBytes: number): ProposeResult;
  /**
   * The driver applies the configuration entry at `index`, after it made the result (see
   * `changeConfiguration`) durable. An entry at or below `configurationIndex` changes nothing.
   */
  applyConfiguration(index: number, change: ConfigurationChange): Configuration;
  readIndex(): ReadIndexResult;
  transferLeadership(target: ReplicaId): StepResult;
  forgetLeader(): StepResult;
  /** A link broke: what was in flight may be lost. */
  reportUnreachable(peer: ReplicaId): void;
  /** A snapshot was delivered, or was not. */
  reportSnapshot(peer: ReplicaId, delivered: boolean): void;
  /** Storage can answer now what it called `unavailable`. */
  reportEntriesAvailable(): void;
  /** The driver has repaired what storage had lost; the rest of the cure is the leader's word. */
  reportRepaired(): void;
  hasReady(): boolean;
  /** Takes what is to be done. In synchronous mode `advance` comes before the next. */
  ready(): Ready;
  /** Synchronous mode only: everything in the last `Ready` is durable, sent and applied. */
  advance(): void;
  /** Entries in `[low, high)` of the log, durable or not, that are in memory. */
  entries(low: number, high: number, bytesMax: number): readonly Entry[];
}
