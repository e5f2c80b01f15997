import { assert, limits, membersOf, ProglogError } from "../base/index.ts";
import type { Configuration } from "../base/index.ts";
import type { Entry as LogEntry, PrefixMarker } from "../log/index.ts";
import { Raft } from "../raft/index.ts";
import type {
  ConfigurationChange,
  Message,
  RaftEvent,
  ReadIndexResult,
  Ready,
  ReplicaId,
  StorageAppend,
  StorageApply,
  StorageResponse,
} from "../raft/index.ts";
import { Applier } from "./applier.ts";
import { writeBeginning } from "./beginning.ts";
import type { ConsensusHandler } from "./consensus-handler.ts";
import { coreOptions } from "./core-options.ts";
import { isAppending, toLog } from "./entries.ts";
import { HardStateKeeper } from "./hard-state.ts";
import { LogEnd } from "./log-end.ts";
import { Mail } from "./mail.ts";
import { initialState, isAlone, openStorage, visibleEnd } from "./open-storage.ts";
import type { Opened } from "./open-storage.ts";
import type { ReplicaTiming } from "./options.ts";
import { Persister } from "./persister.ts";
import type { PeerMessage, ReplicaPorts } from "./ports.ts";
import type { RaftStorage } from "./raft-storage.ts";
import type { ReplicaLog } from "./replica-log.ts";
import { Ticks } from "./ticks.ts";
import { tellOperator } from "./told-events.ts";
import { Trimmer } from "./trimmer.ts";

export interface ConsensusParts extends ReplicaPorts {
  readonly log: ReplicaLog;
  readonly name: string;
  readonly replicaId: ReplicaId;
  readonly timing: ReplicaTiming;
  readonly catchUpBytesPerSecond: number;
}

/**
 * The driver of the core: input → step → persist ∥ send → apply → answer, in turns that never wait.
 *
 * A turn takes the messages and ticks that are there, lets the core take them in, and does what it
 * asks for. Messages leave at once; what the core said must first be durable waits with its task
 * (asynchronous storage, so that a leader's disk works while its followers' do). When a task is done,
 * its answers go out and the next turn begins at once.
 *
 * Invariants: nothing is acknowledged before the sync that covers it; a leader's entries have their
 * offset and time before they are sent or persisted; after the log has failed nothing is said any more.
 */
export class Consensus {
  readonly timing: ReplicaTiming;
  readonly #parts: ConsensusParts;
  readonly #log: ReplicaLog;
  readonly #hard: HardStateKeeper;
  readonly #trimmer: Trimmer;
  readonly #persister: Persister;
  readonly #applier: Applier;
  readonly #storage: RaftStorage;
  readonly #end: LogEnd;
  readonly #mail: Mail;
  readonly #ticks: Ticks;
  #handler: ConsensusHandler | undefined;
  #core: Raft;
  #commitIndex: number;
  #commitOffset: number;
  /** This replica's latest leadership began with the entry at `index`. */
  #leadsFrom: { readonly term: number; readonly index: number } | undefined;
  #wasLeader = false;
  #isTransferring = false;
  #isAlone = false;
  #inbox: PeerMessage[] = [];
  #isScheduled = false;
  /** No input is taken: not yet, while the core is replaced, or because all is over. */
  #isStopped = true;
  #isClosed = false;

  private constructor(parts: ConsensusParts, hard: HardStateKeeper, opened: Opened) {
    const { log, replicaId } = parts;
    this.timing = parts.timing;
    this.#parts = parts;
    this.#log = log;
    this.#hard = hard;
    this.#storage = opened.storage;
    this.#commitIndex = opened.commitIndex;
    this.#commitOffset = opened.commitOffset;
    this.#end = new LogEnd(log, parts.clock);
    this.#ticks = new Ticks(parts.clock, parts.timing.tickMs, () => this.wake());
    this.#trimmer = new Trimmer(log, (error) => this.#failed(error));
    this.#persister = new Persister({
      log,
      hard,
      quiesce: () => this.#trimmer.idle(),
      onDurable: (task) => this.#durable(task),
      onFailed: (error) => this.fail(error),
    });
    this.#applier = new Applier({
      hard,
      trimmer: this.#trimmer,
      core: () => this.#core,
      onApplied: (task) => this.#applied(task),
      onConfiguration: () => this.#configured(),
      onWaited: () => this.#advance(),
      onFailed: (error) => this.#failed(error),
    });
    this.#mail = new Mail({
      ...parts,
      core: () => this.#core,
      offsetAfter: (index) => this.#end.offsetAfter(index, this.#storage),
    });
    this.#core = this.#newCore();
    this.#isAlone = isAlone(this.#core.configuration, replicaId);
  }

  /** Opens the log for the core; nothing is said or asked before `start`. */
  static async open(parts: ConsensusParts): Promise<Consensus> {
    const hard = new HardStateKeeper(parts.log);
    const available = { tell: (): void => undefined };
    const opened = await openStorage(parts, hard, () => available.tell());
    const consensus = new Consensus(parts, hard, opened);
    available.tell = () => consensus.#entriesAvailable();
    return consensus;
  }

  start(handler: ConsensusHandler): void {
    this.#handler = handler;
    this.#isStopped = false;
    this.#configured();
    const { lastIndex, control } = this.#log;
    if (this.#commitIndex === lastIndex) this.#trimmer.start(control.logStart);
    if (this.isAlone) this.#core.campaign();
    this.#advance();
  }

  get term(): number {
    return this.#core.term;
  }
  get role(): Raft["role"] {
    return this.#core.role;
  }
  /** 0: nobody is known to lead. */
  get leader(): ReplicaId {
    return this.#core.leader;
  }
  get configuration(): Configuration {
    return this.#core.configuration;
  }
  get damaged(): boolean {
    return this.#core.damaged;
  }
  /** The last index that is committed and applied here. */
  get commitIndex(): number {
    return this.#commitIndex;
  }
  /** The term of an entry; undefined for what is gone, or not there yet. */
  termAt(index: number): number | undefined {
    return this.#core.termAt(index);
  }
  /** One past the last committed record. */
  get commitOffset(): number {
    return this.#commitOffset;
  }
  /** The last index in the log, durable or not. */
  get lastIndex(): number {
    return this.#end.index;
  }
  get nextOffset(): number {
    return this.#end.nextOffset;
  }
  get isIdle(): boolean {
    return this.#persister.isIdle && this.#applier.isIdle;
  }
  get isLeader(): boolean {
    return !this.#isStopped && this.#core.role === "leader";
  }
  /** This replica leads, and an entry of its leadership is committed: decisions may be made. */
  get isEstablished(): boolean {
    const from = this.#leadsFrom;
    return this.isLeader && from?.term === this.#core.term && this.#commitIndex >= from.index;
  }
  /** The only voter, and nobody learns from it. */
  get isAlone(): boolean {
    return this.#isAlone;
  }

  /** The least free space that a voter has told of; this replica's own is the log's business. */
  freeBytesOfVoters(): number {
    return this.#mail.freeBytesOf(this.configuration);
  }
  /** What is known of the others by what they have said. */
  get heard(): Pick<Mail, "silentMs" | "missedMs" | "matched"> {
    return this.#mail;
  }
  /** One past the last committed record that a follower has; undefined where this leader cannot tell. */
  highWatermarkOf(replicaId: ReplicaId): number | undefined {
    const matched = this.isLeader ? this.#mail.matched(replicaId) : undefined;
    if (matched === undefined) return undefined;
    if (matched >= this.#commitIndex) return this.#commitOffset;
    return this.#end.offsetAfter(matched, this.#storage);
  }
  /** Now, as an entry of this leader would say it. */
  appendedAt(): number {
    return this.#end.appendedAt();
  }

  receive(message: PeerMessage): void {
    if (this.#isClosed || this.#inbox.length >= limits.raftInboxMax) return;
    this.#inbox.push(message);
    this.wake();
  }

  unreachable(peer: ReplicaId): void {
    if (this.#isStopped) return;
    this.#core.reportUnreachable(peer);
    this.wake();
  }

  /** Everything that was damaged and committed is whole again. */
  repaired(): void {
    if (this.#isStopped) return;
    this.#core.reportRepaired();
    this.wake();
  }

  /** A turn, soon. */
  wake(): void {
    if (this.#isScheduled || this.#isClosed) return;
    this.#isScheduled = true;
    this.#parts.schedule(this.#turn);
  }

  /** Appends the leader's next entry; false when leadership is just ending. */
  append(entry: LogEntry): boolean {
    const result = this.#core.propose([{ payload: entry, sizeBytes: entry.payload.length }]);
    if (result.kind !== "appended") return false;
    assert(result.index === entry.index && result.term === entry.term, "entries follow each other");
    this.#end.follow(entry);
    this.#persister.appendOwn(entry);
    return true;
  }

  readIndex(): ReadIndexResult {
    return this.#core.readIndex();
  }

  /** Proposes a change of who takes part, and returns its index; `NOT_LEADER`, `CONFIGURATION`. */
  proposeConfiguration(change: ConfigurationChange): number {
    if (!this.isEstablished) {
      throw new ProglogError("NOT_LEADER", "only the leader changes who takes part");
    }
    const result = this.#core.proposeConfiguration(change, limits.configurationEntryBytes);
    if (result.kind !== "appended") {
      const reason = result.kind === "refused" ? result.reason : result.kind;
      throw new ProglogError("CONFIGURATION", `the change was refused: ${reason}`);
    }
    this.wake();
    return result.index;
  }

  transferLeadership(target: ReplicaId): void {
    const result = this.#core.transferLeadership(target);
    if (result.kind === "refused") {
      throw new ProglogError("NOT_LEADER", `leadership was not handed over: ${result.reason}`);
    }
    this.wake();
  }

  /** Lets an only voter try again to lead, after a full disk. */
  campaign(): void {
    if (this.#isStopped || this.#core.role === "leader" || !this.isIdle) return;
    this.#core.campaign();
    this.#advance();
  }

  /** Takes part in what was agreed on before the log began, unless a configuration is known already. */
  async begin(configuration: Configuration): Promise<void> {
    const { configurationIndex, configuration: known } = this.#hard.wanted;
    if (configurationIndex > 0 || membersOf(known).length > 0 || this.damaged) return;
    this.#isStopped = true;
    await writeBeginning(this.#log, this.#hard, configuration);
    if (!(await this.#renew())) return;
    this.#configured();
    this.#handler?.committed();
    if (this.isAlone) this.campaign();
  }

  trimMore(): void {
    this.#trimmer.more();
  }

  /** Says and takes nothing any more; resolves when nothing is being done to the log. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#isStopped = true;
    this.#ticks.stop();
    this.#storage.close();
    this.#inbox = [];
    await this.#trimmer.idle();
    await this.#hard.idle();
  }

  // --- turns -------------------------------------------------------------------------------------

  readonly #turn = (): void => {
    this.#isScheduled = false;
    const messages = this.#inbox;
    this.#inbox = [];
    if (this.#isStopped) return;
    for (const message of messages) this.#take(message);
    // After the messages: a leader that was heard of in time is no reason for an election.
    if (this.#ticks.take()) this.#mail.tick();
    this.#handler?.turn();
    this.#advance();
  };

  #advance(): void {
    this.#drain();
    if (!this.isEstablished || this.#isTransferring || !this.#persister.isIdle) return;
    this.#handler?.decide();
    this.#drain();
  }

  #drain(): void {
    while (!this.#isStopped && this.#core.hasReady()) this.#handle(this.#core.ready());
  }

  #handle(ready: Ready): void {
    const { storageAppend, storageApply } = ready;
    if (storageAppend !== undefined) this.#follow(storageAppend);
    if (ready.softState !== undefined) this.#roleChanged();
    for (const message of ready.messages) this.#mail.send(message);
    if (storageAppend !== undefined) this.#persister.submit(storageAppend);
    if (storageApply !== undefined) this.#apply(storageApply);
    if (ready.readStates.length > 0) this.#handler?.confirmed(ready.readStates);
  }

  #apply(task: StorageApply): void {
    this.#handler?.agreed(task.entries.at(-1)?.index ?? 0);
    this.#applier.submit(task);
  }

  #follow(task: StorageAppend): void {
    this.#end.take(task, this.#core.configuration);
    for (const { kind, term, index } of task.entries) {
      if (kind !== "noop" || this.#core.role !== "leader" || term !== this.#core.term) continue;
      if (this.#leadsFrom?.term !== term) this.#leadsFrom = { term, index };
    }
  }

  #roleChanged(): void {
    const isLeader = this.#core.role === "leader";
    if (isLeader !== this.#wasLeader) this.#mail.forget();
    if (!isLeader) this.#isTransferring = false;
    this.#wasLeader = isLeader;
    this.#handler?.roleChanged();
  }

  #take(message: PeerMessage): void {
    if (message.to !== this.#parts.replicaId || message.log !== this.#parts.name) return;
    if (message.kind !== "raft") {
      this.#mail.heard(message.from);
      this.#handler?.received(message);
    } else if (!isAppending(message.message) || this.#handler?.holdsAppends() !== true) {
      this.#mail.take(message);
    }
  }

  /** Storage can answer now what it could not before. */
  #entriesAvailable(): void {
    if (this.#isStopped) return;
    this.#core.reportEntriesAvailable();
    this.wake();
  }

  // --- what the workers report ---------------------------------------------------------------------

  #durable({ snapshot, entries, responses }: StorageAppend): void {
    if (this.#isStopped) return;
    if (snapshot !== undefined) {
      const marker = snapshot.data as PrefixMarker;
      this.#storage.installed(marker);
      this.#commit(snapshot.index, marker.nextOffset);
      this.#configured();
    }
    this.#storage.stable(entries);
    this.#answer(responses);
    this.#advance();
  }

  #applied({ entries, responses }: StorageApply): void {
    const last = entries[entries.length - 1];
    const shape = last && toLog(last);
    if (shape !== undefined) this.#commit(shape.index, shape.baseOffset + shape.recordCount);
    this.#answer(responses);
  }

  #answer(responses: readonly StorageResponse[]): void {
    for (const response of responses) {
      if (response.to === this.#parts.replicaId) this.#core.stepLocal(response);
      else this.#mail.send(response as Message);
    }
  }

  #commit(index: number, nextOffset: number): void {
    if (index <= this.#commitIndex) return;
    this.#commitIndex = index;
    this.#commitOffset = nextOffset;
    this.#log.setCommitIndex(index);
    this.#handler?.committed();
  }

  /** Another configuration: other links, and perhaps another need to watch the time. */
  #configured(): void {
    const { replicaId, peers } = this.#parts;
    const { configuration } = this.#core;
    peers.connect(membersOf(configuration).filter((member) => member.replicaId !== replicaId));
    this.#isAlone = isAlone(configuration, replicaId);
    if (this.#isAlone) this.#ticks.stop();
    else this.#ticks.start();
  }

  // --- trouble -----------------------------------------------------------------------------------

  #failed(caught: unknown): void {
    if (!(caught instanceof ProglogError)) throw caught;
    this.fail(caught);
  }

  /** The log has refused an entry: it took back what was not durable, or it is dead. */
  fail(error: ProglogError): void {
    if (this.#isStopped) return;
    if (error.code === "RESOURCE_EXHAUSTED") {
      this.#isStopped = true;
      void this.#restart(error);
      return;
    }
    this.#ticks.stop();
    // What the disk of an only voter kept is committed, whatever became of the rest.
    if (this.isAlone) this.#commit(this.#log.syncedIndex, this.#log.syncedOffset);
    this.#isStopped = true;
    this.#handler?.died(error);
  }

  /**
   * The disk was full, and the log took back what was not durable: for the core that is a crash and a
   * restart, of which it knows how to recover. A leader thereby steps down.
   */
  async #restart(error: ProglogError): Promise<void> {
    if (await this.#renew()) this.#handler?.tookBack(error);
  }

  /** Another core, which begins with what is durable; false when this was closed, or the log is dead. */
  async #renew(): Promise<boolean> {
    this.#persister.restart();
    this.#applier.restart();
    const failure = await this.#persister.settled();
    await this.#hard.idle();
    await this.#trimmer.idle();
    if (this.#isClosed) return false;
    if (failure !== undefined) {
      this.#isStopped = false;
      this.fail(failure);
      return false;
    }
    const { lastIndex, nextOffset } = this.#log;
    if (this.isAlone) this.#commit(lastIndex, nextOffset);
    const end = visibleEnd(this.#log, this.#hard.wanted.damaged, this.#commitIndex);
    await this.#storage.restart(initialState(this.#hard, Math.min(this.#commitIndex, end)), end);
    this.#leadsFrom = undefined;
    this.#wasLeader = false;
    this.#isTransferring = false;
    this.#end.restart();
    this.#core = this.#newCore();
    this.#isStopped = false;
    this.wake();
    return true;
  }

  #newCore(): Raft {
    const storage = this.#storage;
    const applied = Math.min(this.#commitIndex, storage.lastIndex());
    const { damaged } = this.#hard.wanted;
    const observe = (event: RaftEvent): void => this.#observe(event);
    return new Raft({ ...coreOptions(this.#parts), storage, applied, damaged, observe });
  }

  #observe(event: RaftEvent): void {
    const { observer } = this.#parts;
    if (event.kind === "transferStarted" || event.kind === "transferAborted") {
      this.#isTransferring = event.kind === "transferStarted";
    } else if (event.kind === "damageCleared") {
      void this.#hard.save({ damaged: false }).catch((error: unknown) => this.#failed(error));
    }
    tellOperator(observer, event);
  }
}
