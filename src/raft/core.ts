import { assert, below, randomId } from "../base/index.ts";
import type { Entry, ReplicaId } from "./entry.ts";
import type { RaftEvent, RefusalReason } from "./event.ts";
import { Membership } from "./membership.ts";
import type { Message, StorageResponse } from "./message.ts";
import type { Settings } from "./options.ts";
import { RaftLog } from "./raft-log.ts";
import type { HardState, InitialState, Storage } from "./storage.ts";
import type { ReadState, SoftState } from "./ready.ts";
import type { StepResult } from "./result.ts";
import type { RoleState } from "./role.ts";

/** What a replica that may have lost its memory waits for (see `damage.ts`). */
export interface Damage {
  /** One number for this start, so that no word about an earlier one is taken for this one. */
  readonly id: number;
  /** The driver has filled the holes of the log. */
  repaired: boolean;
  /** The leader's word: everything that was acknowledged before is with others, and here again. */
  cured: boolean;
}

/** What every role has: term, vote, log, configuration, and the messages that wait to leave. */
export class Core {
  readonly settings: Settings;
  readonly id: ReplicaId;
  readonly log: RaftLog;
  term: number;
  vote: ReplicaId;
  /** Whom this replica believes to lead in `term`; 0: nobody. */
  leader: ReplicaId = 0;
  role: RoleState = { name: "follower" };
  membership: Membership;
  configurationIndex: number;
  damage: Damage | undefined;
  /** Ticks since the leader was heard, or the campaign began, or the quorum was checked. */
  electionElapsedTicks = 0;
  randomizedTimeoutTicks = 0;
  /** Ticks since storage owes an answer; 0: it owes none. */
  storageElapsedTicks = 0;
  /** They may leave before anything is durable. */
  messages: Message[] = [];
  /** They promise something, and leave when it is durable. */
  messagesAfterAppend: StorageResponse[] = [];
  readStates: ReadState[] = [];
  #lastReadId: number;

  constructor(settings: Settings, storage: Storage, applied: number | undefined) {
    this.settings = settings;
    this.id = settings.id;
    this.log = new RaftLog(storage, settings.committedBytesMax);
    const initial = storage.initialState();
    const { hardState } = initial;
    this.term = hardState.term;
    this.vote = hardState.vote;
    this.membership = new Membership(initial.configuration);
    this.configurationIndex = initial.configurationIndex;
    if (settings.damaged) {
      this.damage = { id: randomId(settings.random), repaired: false, cured: false };
    }
    this.log.commitTo(this.#knownCommit(initial));
    if (applied !== undefined) this.log.appliedTo(Math.max(applied, this.log.applied), 0);
    // Ids of this life begin at a random place, so that a late answer to an earlier one finds nobody.
    this.#lastReadId = settings.random.u32() * 2 ** 20;
    this.resetElectionTimer();
  }

  /** What was applied was committed; a damaged log may have lost its end. */
  #knownCommit({ hardState, configurationIndex }: InitialState): number {
    const known = Math.max(hardState.commit, configurationIndex);
    if (this.damage !== undefined) return Math.min(known, this.log.lastIndex);
    assert(known <= this.log.lastIndex, "the log holds what was committed, unless it is damaged");
    return known;
  }

  get softState(): SoftState {
    return { leader: this.leader, role: this.role.name };
  }

  get hardState(): HardState {
    return { term: this.term, vote: this.vote, commit: this.log.committed };
  }

  get damageId(): number {
    return this.damage?.id ?? 0;
  }

  /** May become leader: a voter by the applied configuration, whole, and not in the middle of a snapshot. */
  get promotable(): boolean {
    return (
      this.membership.isVoter(this.id) &&
      this.log.unstable.snapshot === undefined &&
      this.damage === undefined &&
      !this.storageStalled
    );
  }

  get storageStalled(): boolean {
    const { storageTimeoutTicks } = this.settings;
    return storageTimeoutTicks > 0 && this.storageElapsedTicks >= storageTimeoutTicks;
  }

  /** A leader may answer reads and decide once it has committed something in its own term. */
  get committedInTerm(): boolean {
    return this.log.term(this.log.committed) === this.term;
  }

  resetElectionTimer(): void {
    const { electionTimeoutTicks, random } = this.settings;
    this.electionElapsedTicks = 0;
    this.randomizedTimeoutTicks = electionTimeoutTicks + below(random, electionTimeoutTicks);
  }

  nextReadId(): number {
    this.#lastReadId += 1;
    return this.#lastReadId;
  }

  /** Leaves at once. */
  send(message: Message): void {
    assert(message.to !== this.id, "a message to oneself promises something");
    this.messages.push(message);
  }

  /** Leaves when everything that is decided by now is durable (thesis 3.8). Also to oneself. */
  sendAfterAppend(message: Message): void {
    this.messagesAfterAppend.push(message);
  }

  /** "I hold your log up to `index`." */
  acknowledgeAppend(to: ReplicaId, index: number): void {
    this.sendAfterAppend({
      kind: "appendEntriesResponse",
      from: this.id,
      to,
      term: this.term,
      index,
      rejected: false,
      hintIndex: 0,
      hintTerm: 0,
      damageId: this.damageId,
    });
  }

  /** Puts entries of its own term into a leader's log; its own copy counts once it is durable. */
  appendOwn(entries: readonly Entry[]): void {
    this.log.append(entries);
    this.acknowledgeAppend(this.id, this.log.lastIndex);
  }

  emit(event: RaftEvent): void {
    this.settings.observe(event);
  }

  refuse(what: string, from: ReplicaId, reason: RefusalReason): StepResult {
    this.emit({ kind: "refused", what, from, reason });
    return { kind: "refused", reason };
  }
}

export const ACCEPTED: StepResult = { kind: "accepted" };
