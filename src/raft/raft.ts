import { assert, type Configuration } from "../base/index.ts";
import { appliedEntries, appliedSnapshot } from "./applied.ts";
import { changeConfiguration } from "./configuration.ts";
import { ACCEPTED, Core } from "./core.ts";
import { noteRepaired } from "./damage.ts";
import { maybeCampaign } from "./election.ts";
import type { ConfigurationChange, Entry, ReplicaId } from "./entry.ts";
import * as follower from "./follower.ts";
import * as leader from "./leader.ts";
import type { Message, StorageAppendResponse, StorageResponse } from "./message.ts";
import { type RaftOptions, settingsOf } from "./options.ts";
import type { Progress } from "./progress.ts";
import { proposeAsLeader, type ProposedEntry } from "./proposals.ts";
import { requestRead } from "./reads.ts";
import type { Ready, RoleName } from "./ready.ts";
import { ReadyQueue } from "./ready-queue.ts";
import { sendAppend } from "./replication.ts";
import type { Proposal, ProposeResult, ReadIndexResult, StepResult } from "./result.ts";
import { stepMessage } from "./step.ts";
import { switchConfiguration } from "./switch.ts";
import { reasonToRefuse } from "./validate.ts";

/**
 * One replica of one log, deciding. Everything it is told is an argument, everything it wants done is
 * in `ready()`. Same state, same input, same output.
 */
export class Raft {
  readonly id: ReplicaId;
  readonly #core: Core;
  readonly #queue: ReadyQueue;

  constructor(options: RaftOptions) {
    const settings = settingsOf(options);
    this.id = settings.id;
    this.#core = new Core(settings, options.storage, options.applied);
    this.#queue = new ReadyQueue(this.#core);
    const { term, membership, leader: known } = this.#core;
    settings.observe({ kind: "switchedConfiguration", configuration: membership.configuration });
    settings.observe({ kind: "becameFollower", term, leader: known });
  }

  get role(): RoleName {
    return this.#core.role.name;
  }

  get term(): number {
    return this.#core.term;
  }

  /** Whom this replica voted for in `term`; 0: nobody. */
  get vote(): ReplicaId {
    return this.#core.vote;
  }

  /** 0: nobody is known to lead. */
  get leader(): ReplicaId {
    return this.#core.leader;
  }

  get commitIndex(): number {
    return this.#core.log.committed;
  }

  /** The last index whose application was acknowledged. */
  get appliedIndex(): number {
    return this.#core.log.applied;
  }

  /** The end of the log, durable or not. */
  get lastIndex(): number {
    return this.#core.log.lastIndex;
  }

  /** The applied configuration. */
  get configuration(): Configuration {
    return this.#core.membership.configuration;
  }

  /** The entry that made it. */
  get configurationIndex(): number {
    return this.#core.configurationIndex;
  }

  get damaged(): boolean {
    return this.#core.damage !== undefined;
  }

  /** A leader may answer reads and decide on appends once it has committed an entry of its own term. */
  get hasCommittedInTerm(): boolean {
    return this.#core.committedInTerm;
  }

  /** Who is to lead next; 0: nobody, or this replica does not lead. */
  get transferTarget(): ReplicaId {
    const { role } = this.#core;
    return role.name === "leader" ? role.transferTarget : 0;
  }

  /** What a leader knows of each member, to look at; empty elsewhere. */
  get progress(): ReadonlyMap<ReplicaId, Progress> {
    const { role } = this.#core;
    return role.name === "leader" ? role.progress : new Map();
  }

  /** A message from a link, whose `from` the link has checked. A refused one changes nothing. */
  step(message: Message): StepResult {
    const reason = reasonToRefuse(this.#core, message);
    if (reason !== undefined) return this.#core.refuse(message.kind, message.from, reason);
    return stepMessage(this.#core, message);
  }

  /** This replica's own answers out of `StorageAppend.responses` and `StorageApply.responses`. */
  stepLocal(response: StorageResponse): void {
    assert(response.to === this.id, "what is for others is sent to them");
    if (response.kind === "storageAppendResponse") this.#stored(response);
    else if (response.kind === "storageApplyResponse") appliedEntries(this.#core, response.entries);
    else stepMessage(this.#core, response);
  }

  #stored({ term, index, indexTerm, snapshot }: StorageAppendResponse): void {
    const core = this.#core;
    // See `ReadyQueue`: within one term nothing on its way to storage can overwrite what it holds.
    if (index > 0 && term === core.term) core.log.unstable.stableTo(index, indexTerm);
    if (snapshot !== undefined) appliedSnapshot(core, snapshot);
    core.storageElapsedTicks = 0;
  }

  tick(): void {
    const core = this.#core;
    const waits = core.log.unstable.count > 0 || core.log.unstable.snapshot !== undefined;
    core.storageElapsedTicks = waits ? core.storageElapsedTicks + 1 : 0;
    if (core.role.name === "leader") leader.tickLeader(core, core.role);
    else follower.tickElection(core);
  }

  /** Campaigns now, as if the election timeout had passed. */
  campaign(): void {
    maybeCampaign(this.#core, this.#core.settings.preVote ? "preVote" : "vote");
  }

  /** All of them, in order and next to each other, or none. */
  propose(proposals: readonly Proposal[]): ProposeResult {
    assert(proposals.length > 0, "something is proposed");
    return this.#propose(
      "propose",
      proposals.map(({ payload, sizeBytes }) => {
        return { kind: "normal", index: 0, term: 0, payload, sizeBytes };
      }),
    );
  }

  /** When the leader refuses it for what it is, an entry that says nothing takes its place. */
  proposeConfiguration(change: ConfigurationChange, sizeBytes: number): ProposeResult {
    return this.#propose("proposeConfiguration", [
      { kind: "configuration", index: 0, term: 0, payload: change, sizeBytes },
    ]);
  }

  #propose(what: string, entries: readonly ProposedEntry[]): ProposeResult {
    const core = this.#core;
    const { role } = core;
    let result: ProposeResult;
    if (role.name === "leader") result = proposeAsLeader(core, role, entries);
    else if (role.name === "follower") result = follower.forwardProposals(core, entries);
    else result = { kind: "refused", reason: "noLeader" };
    if (result.kind === "refused") core.refuse(what, core.id, result.reason);
    return result;
  }

  /**
   * The driver applies the configuration entry at `index`, after it made `change.configuration`
   * durable. An entry at or below `configurationIndex` was applied in an earlier life, and changes
   * nothing.
   */
  applyConfiguration(index: number, change: ConfigurationChange): Configuration {
    const core = this.#core;
    assert(index <= core.log.committed, "only what is committed is applied");
    if (index <= core.configurationIndex) return core.membership.configuration;
    const result = changeConfiguration(core.membership.configuration, change);
    const changed = result.kind === "changed" ? result.configuration : undefined;
    const configuration = change.configuration ?? changed;
    assert(configuration !== undefined, "a committed change fits the configuration before it");
    const fresh = result.kind === "changed" ? result.fresh : new Set<ReplicaId>();
    switchConfiguration(core, index, configuration, fresh);
    return configuration;
  }

  /** Asks up to where the log must be applied so that a read is linearizable (thesis 6.4). */
  readIndex(): ReadIndexResult {
    const core = this.#core;
    const { role } = core;
    const readId = core.nextReadId();
    let result: StepResult = { kind: "refused", reason: "noLeader" };
    if (role.name === "leader") result = requestRead(core, role, { readId, from: core.id });
    else if (role.name === "follower") result = follower.forwardRead(core, readId);
    return result.kind === "refused" ? result : { kind: "started", readId };
  }

  transferLeadership(target: ReplicaId): StepResult {
    const core = this.#core;
    if (core.role.name === "leader") return leader.startTransfer(core, core.role, target);
    if (core.role.name === "follower") return follower.forwardTransfer(core, target);
    return core.refuse("transferLeadership", core.id, "noLeader");
  }

  /** A follower stops believing in its leader; no term is touched. */
  forgetLeader(): StepResult {
    return this.role === "follower" ? follower.forgetLeader(this.#core) : ACCEPTED;
  }

  /** A link broke: what was in flight may be lost. */
  reportUnreachable(peer: ReplicaId): void {
    const { role } = this.#core;
    if (role.name === "leader") leader.reportUnreachable(role, peer);
  }

  /** A snapshot was delivered, or was not. */
  reportSnapshot(peer: ReplicaId, delivered: boolean): void {
    const { role } = this.#core;
    if (role.name === "leader") leader.reportSnapshot(role, peer, delivered);
  }

  /** Storage can answer now what it called `unavailable`. */
  reportEntriesAvailable(): void {
    const core = this.#core;
    core.log.storageAnswers();
    if (core.role.name !== "leader") return;
    for (const id of core.role.progress.keys()) {
      if (id !== core.id) while (sendAppend(core, core.role, id, false));
    }
  }

  /** The driver has filled the holes of a damaged log; the rest of the cure is the leader's word. */
  reportRepaired(): void {
    noteRepaired(this.#core);
  }

  hasReady(): boolean {
    return this.#queue.hasReady;
  }

  /** Takes what is to be done. In synchronous mode `advance` comes before the next. */
  ready(): Ready {
    return this.#queue.take();
  }

  /** Synchronous mode only: everything in the last `Ready` is durable, sent and applied. */
  advance(): void {
    for (const response of this.#queue.advance()) this.stepLocal(response);
  }

  /** Entries in `[low, high)` of the log, durable or not, as far as they are in memory. */
  entries(
    low: number,
    high: number,
    bytesMax: number,
  ): readonly Entry[] | "compacted" | "unavailable" {
    return this.#core.log.slice(low, high, bytesMax);
  }

  /** The term at `index`; undefined for what is gone, or not there yet. */
  termAt(index: number): number | undefined {
    return this.#core.log.term(index);
  }

  /** Conformance only: until the next change of role or term. */
  setElectionTimeout(ticks: number): void {
    this.#core.randomizedTimeoutTicks = ticks;
  }
}
