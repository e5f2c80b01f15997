import {
  AssertionError,
  assert,
  checkRecord,
  limits,
  ProglogError,
  silentObserver,
  systemClock,
  systemRandom,
  validateBatch,
} from "../base/index.ts";
import type {
  AppendAnswer,
  AppendOptions,
  Configuration,
  ConfigurationMember,
  ProducerIdentity,
  RecordInput,
} from "../base/index.ts";
import type { ReadState, ReplicaId } from "../raft/index.ts";
import { AppendLoop, refuseEarly } from "./append-loop.ts";
import { abortError, batchStamp, checkConditions, checkOffset } from "./checks.ts";
import { Consensus } from "./consensus.ts";
import { Members } from "./members.ts";
import type { ReplicaOptions, ReplicaStatus, ReplicaTiming, ServersInfo } from "./options.ts";
import { noPeers } from "./ports.ts";
import type { PeerMessage, ReplicaPorts } from "./ports.ts";
import { checkProducerName } from "./producer-codec.ts";
import type { ProducerContent } from "./proposals.ts";
import { ReadRounds } from "./read-rounds.ts";
import { Repair } from "./repair.ts";
import { Retention } from "./retention.ts";
import type { RetentionRule } from "./retention.ts";
import { listServers } from "./server-list.ts";

/**
 * The commit log of one server, as its services see it: appends go through the loop, reads see what
 * is committed.
 */
export class Replica implements AsyncDisposable {
  readonly name: string;
  /** This replica in the log's configuration. */
  readonly replicaId: ReplicaId;
  readonly #options: ReplicaOptions;
  readonly #consensus: Consensus;
  readonly #loop: AppendLoop;
  readonly #reads: ReadRounds;
  readonly #retention: Retention;
  readonly #repair: Repair;
  readonly #members: Members;
  readonly #listeners = new Set<() => void>();
  readonly #changeListeners = new Set<() => void>();
  /** What those were last told of. */
  #configuration: Configuration;
  #wasEstablished = false;
  /** What the listeners were last told of. */
  #highWatermark: number;
  /** Waits for the first leadership of an only voter, or for a reason why there is none yet. */
  #starting:
    { readonly resolve: () => void; readonly reject: (error: ProglogError) => void } | undefined;

  private constructor(options: ReplicaOptions, ports: ReplicaPorts, consensus: Consensus) {
    const { log, producers, replicaId } = options;
    this.name = options.name ?? "default";
    this.replicaId = replicaId;
    this.#options = options;
    this.#consensus = consensus;
    this.#highWatermark = consensus.commitOffset;
    this.#configuration = consensus.configuration;
    const leader = (): { name: string; rpcAddress: string } | undefined => this.#leaderServer();
    this.#loop = new AppendLoop({ ...ports, log, producers, consensus, leader });
    this.#reads = new ReadRounds({
      ...ports,
      begin: () => consensus.readIndex(),
      appliedIndex: () => consensus.commitIndex,
      wake: () => consensus.wake(),
      roundMs: consensus.timing.tickMs * consensus.timing.electionTimeoutTicks,
    });
    const trimMore = (): void => consensus.trimMore();
    this.#retention = new Retention({ ...ports, log, loop: this.#loop, trimMore });
    this.#members = new Members(consensus);
    this.#repair = new Repair({
      ...ports,
      log,
      name: this.name,
      replicaId,
      commitIndex: () => consensus.commitIndex,
      sources: () => this.#sources(),
      isIdle: () => consensus.isIdle,
      onMended: () => consensus.repaired(),
      onFailed: (error) => consensus.fail(error),
    });
  }

  /**
   * Opens the log for the cluster. An only voter leads when this resolves: its vote in a new term is
   * durable, and so is a first entry of it; a full disk may delay that entry, then reads are served,
   * and each append tries again. With others this resolves at once, and who leads will be seen.
   */
  static async start(options: ReplicaOptions): Promise<Replica> {
    const ports = portsOf(options);
    const { log, replicaId, name = "default" } = options;
    const { catchUpBytesPerSecond = limits.catchUpBytesPerSecond } = options;
    const consensus = await Consensus.open({
      ...{ ...ports, log, name, replicaId, catchUpBytesPerSecond },
      timing: timingOf(options),
    });
    const replica = new Replica(options, ports, consensus);
    await replica.#start();
    return replica;
  }

  /** A message from another replica, whose sender the link has checked. */
  receive(message: PeerMessage): void {
    this.#consensus.receive(message);
  }

  /** A link to a replica broke: what was on its way may be lost. */
  unreachable(replicaId: ReplicaId): void {
    this.#consensus.unreachable(replicaId);
  }

  get status(): ReplicaStatus {
    const { role, term, leader, commitIndex, lastIndex, configuration, damaged } = this.#consensus;
    return { role, term, leader, commitIndex, lastIndex, configuration, damaged };
  }

  /** Whether this replica leads, and may decide on appends and changes. */
  get isLeading(): boolean {
    return this.#loop.isLeading;
  }

  /** Who takes part; changes are the leader's to make. */
  get members(): Members {
    return this.#members;
  }

  /**
   * Makes this replica one of those that a cluster begins with. Nothing happens where it is known
   * already who takes part.
   */
  begin(configuration: Configuration): Promise<void> {
    return this.#consensus.begin(configuration);
  }

  /** Asks another voter to lead; it takes up to an election timeout, and may come to nothing. */
  transferLeadership(target: ReplicaId): void {
    this.#consensus.transferLeadership(target);
  }

  get term(): number {
    return this.#consensus.term;
  }

  /** Whether appends are decided here, now or as soon as they can be. */
  get decides(): boolean {
    return this.#consensus.isLeader || this.#consensus.isAlone;
  }

  /** Who leads, as far as it is known here. */
  get leader(): ConfigurationMember | undefined {
    const { leader, configuration } = this.#consensus;
    const { voters, votersOutgoing, learners } = configuration;
    if (leader === 0) return undefined;
    return [...voters, ...votersOutgoing, ...learners].find(
      ({ replicaId }) => replicaId === leader,
    );
  }

  /** What is said to those who have come to a server that does not lead. */
  notLeader(): ProglogError {
    return this.#loop.notLeader();
  }

  get committedIndex(): number {
    return this.#consensus.commitIndex;
  }

  /** The first offset that can be read. */
  get lowestOffset(): number {
    return this.#options.log.lowestOffset;
  }

  /** One past the highest committed offset. */
  get highWatermark(): number {
    return this.#highWatermark;
  }

  /**
   * Appends one record and resolves once it is committed. Rejects with `notAppended` set when it was
   * decided, before anything was written, that this attempt puts nothing into the log:
   * `INVALID_ARGUMENT`, `RECORD_TOO_LARGE`, `OFFSET_MISMATCH`, the errors of `ProducerTable.decide`,
   * `RESOURCE_EXHAUSTED` (too much waits, or the disk is full), `UNAVAILABLE` (closing). Without it
   * (`STORAGE_FAILED`, and `CANCELLED` or `DEADLINE_EXCEEDED` by the signal) the outcome is unknown.
   */
  append(record: RecordInput, options: AppendOptions = {}): Promise<AppendAnswer> {
    try {
      checkRecord(record);
      checkConditions(options);
    } catch (error) {
      return reject(error, options);
    }
    return this.#loop.propose({ kind: "record", record }, options);
  }

  /**
   * The same for one RecordBatch, magic 2, which is checked here (`CORRUPT_BATCH`, `BATCH_TOO_LARGE`,
   * `UNSUPPORTED_COMPRESSION` besides) and belongs to the log from now on: base offset and leader
   * epoch are stamped in place. Its stamp is the one in its own header.
   */
  appendBatch(batch: Uint8Array, options: AppendOptions = {}): Promise<AppendAnswer> {
    try {
      checkConditions(options);
      const header = validateBatch(batch, { gunzip: this.#options.gunzip });
      const stamp = batchStamp(header, options.stamp);
      const { recordCount } = header;
      return this.#loop.propose({ kind: "batch", batch, recordCount }, { ...options, stamp });
    } catch (error) {
      return reject(error, options);
    }
  }

  /** A known name keeps its id and raises its epoch, which fences whoever held it before. */
  async createProducer(name: string, signal?: AbortSignal): Promise<ProducerIdentity> {
    checkProducerName(name);
    const content: ProducerContent = { kind: "producer", name, identity: undefined };
    await this.#loop.propose(content, { signal });
    assert(content.identity !== undefined, "an appended producer has an identity");
    return content.identity;
  }

  /** Whole batches of committed records; see `CommitLog.read`. */
  async read(
    offset: number,
    maxBytes: number,
    signal?: AbortSignal,
  ): Promise<readonly Uint8Array[]> {
    if (signal?.aborted === true) throw abortError(signal);
    checkOffset(offset);
    // Above what is known here others may know more; below the start nobody has anything.
    if (offset > this.#highWatermark) await this.readBarrier(signal);
    const limitOffset = this.#highWatermark;
    if (offset < this.lowestOffset || offset > limitOffset) throw this.#outOfRange(offset);
    if (offset === limitOffset) return [];
    try {
      return await this.#options.log.readBatches(offset, { maxBytes, limitOffset });
    } catch (error) {
      throw this.#whileMending(error);
    }
  }

  /** What the disk lost here, others have: it will be back, and may be read from them until then. */
  #whileMending(error: unknown): unknown {
    if (!(error instanceof ProglogError) || error.code !== "DATA_LOSS") return error;
    if (!this.#repair.isHopeful) return error;
    const { details } = error;
    const message = `${error.message}; they are fetched from the other servers`;
    return new ProglogError("UNAVAILABLE", message, { cause: error, details });
  }

  /** The same from memory, or undefined when the disk has to be asked or has nothing to say. */
  readCached(offset: number, maxBytes: number): readonly Uint8Array[] | undefined {
    const limitOffset = this.#highWatermark;
    if (!(offset >= this.lowestOffset && offset <= limitOffset)) return undefined;
    if (offset === limitOffset) return [];
    return this.#options.log.readCached(offset, { maxBytes, limitOffset });
  }

  /**
   * Resolves once this replica has everything that was committed before the call (ReadIndex).
   * `UNAVAILABLE` when no leader confirms it in time. An only voter has nobody to ask.
   */
  readBarrier(signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return Promise.reject(abortError(signal));
    if (this.#consensus.isAlone) return Promise.resolve();
    return this.#reads.barrier(signal);
  }

  /** The first committed offset appended at or after a time (ms since 1970). */
  async offsetAtTime(timestampMs: number, signal?: AbortSignal): Promise<number | undefined> {
    if (signal?.aborted === true) throw abortError(signal);
    const offset = await this.#options.log.offsetAtTime(timestampMs);
    return offset === undefined || offset >= this.#highWatermark ? undefined : offset;
  }

  /** Calls back after each rise of the high watermark; the result unsubscribes. */
  onCommit(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /**
   * Calls back when who leads or who takes part has changed, as far as it is known here; the result
   * unsubscribes.
   */
  onChange(listener: () => void): () => void {
    this.#changeListeners.add(listener);
    return () => {
      this.#changeListeners.delete(listener);
    };
  }

  servers(): ServersInfo {
    const { isLeading, highWatermark } = this;
    return listServers({
      ...this.#options,
      ...{ consensus: this.#consensus, isLeading, highWatermark },
    });
  }

  /** How much of the log is kept, as it was decided last. */
  get retention(): RetentionRule {
    const { retentionBytes, retentionMs } = this.#options.log.control.logStart;
    return { retentionBytes, retentionMs };
  }

  /** How much of the log is kept from now on; the same on every replica, and after a restart. */
  setRetention(rule: RetentionRule): Promise<void> {
    return this.#retention.set(rule);
  }

  /** Lets go of the records below `offset`; `OFFSET_OUT_OF_RANGE` above the high watermark. */
  async deleteBefore(offset: number): Promise<void> {
    checkOffset(offset);
    if (offset > this.#highWatermark) throw this.#outOfRange(offset);
    await this.#retention.deleteBefore(offset);
  }

  /** Refuses new appends, answers those that were let in, and forgets its listeners. */
  async close(): Promise<void> {
    this.#retention.stop();
    await this.#loop.close();
    await this.#repair.close();
    await this.#consensus.close();
    const closed = new ProglogError("UNAVAILABLE", "the server is stopping");
    this.#reads.fail(closed);
    this.#members.fail(closed);
    this.#listeners.clear();
    this.#changeListeners.clear();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #start(): Promise<void> {
    const started = this.#consensus.isAlone
      ? new Promise<void>((resolve, reject) => (this.#starting = { resolve, reject }))
      : undefined;
    this.#consensus.start({
      turn: () => this.#turn(),
      decide: () => this.#loop.decide(),
      agreed: (index) => this.#loop.agreed(index),
      committed: () => this.#committed(),
      roleChanged: () => this.#roleChanged(),
      confirmed: (reads) => this.#confirmed(reads),
      tookBack: (error) => this.#tookBack(error),
      died: (error) => this.#died(error),
      received: (message) => this.#repair.take(message),
      holdsAppends: () => this.#repair.holdsAppends,
    });
    this.#retention.start();
    if (started === undefined) this.#repair.start();
    await started;
    if (this.#consensus.damaged && !this.#repair.isNeeded()) this.#consensus.repaired();
  }

  #turn(): void {
    this.#reads.start();
    this.#loop.campaignIfWanted();
  }

  #committed(): void {
    if (this.#loop.isLeading) this.#starting?.resolve();
    this.#loop.committed();
    this.#reads.applied();
    this.#members.applied();
    this.#tellListeners();
    this.#configured();
  }

  /** An established leader is news too: from now on it may be asked for changes. */
  #configured(): void {
    const { configuration, isEstablished } = this.#consensus;
    if (configuration === this.#configuration && isEstablished === this.#wasEstablished) return;
    this.#configuration = configuration;
    this.#tellChange();
  }

  #tellChange(): void {
    this.#wasEstablished = this.#consensus.isEstablished;
    for (const listener of this.#changeListeners) listener();
  }

  #roleChanged(): void {
    this.#loop.roleChanged();
    if (!this.#consensus.isLeader) this.#members.leadershipLost();
    this.#tellChange();
  }

  #confirmed(reads: readonly ReadState[]): void {
    for (const read of reads) {
      this.#loop.confirmed(read.readId);
      this.#reads.answered(read);
    }
  }

  #tookBack(error: ProglogError): void {
    this.#starting?.resolve();
    this.#loop.tookBack(error);
    this.#tellListeners();
  }

  #died(error: ProglogError): void {
    this.#starting?.reject(error);
    this.#loop.died(error);
    this.#reads.fail(error);
    this.#members.fail(error);
  }

  #sources(): readonly ReplicaId[] {
    const { voters, votersOutgoing } = this.#consensus.configuration;
    const { leader } = this.#consensus;
    const others = [...voters, ...votersOutgoing].map(({ replicaId }) => replicaId);
    const ids = new Set(leader === 0 ? others : [leader, ...others]);
    ids.delete(this.#options.replicaId);
    return [...ids];
  }

  #leaderServer(): { name: string; rpcAddress: string } | undefined {
    const { leader } = this;
    if (leader === undefined) return undefined;
    const { describe, describePeer, replicaId } = this.#options;
    const isOwn = leader.replicaId === replicaId;
    const { rpcAddress = "" } = (isOwn ? describe() : describePeer?.(leader)) ?? {};
    return { name: leader.name, rpcAddress };
  }

  #tellListeners(): void {
    const { commitOffset } = this.#consensus;
    if (commitOffset === this.#highWatermark) return;
    this.#highWatermark = commitOffset;
    for (const listener of this.#listeners) listener();
  }

  #outOfRange(offset: number): ProglogError {
    const next = this.#highWatermark;
    const message = `The requested offset is outside of the log: ${offset}`;
    const details = {
      offset: String(offset),
      lowest: String(this.lowestOffset),
      highest: String(next - 1),
      next: String(next),
    };
    return new ProglogError("OFFSET_OUT_OF_RANGE", message, { details });
  }
}

function reject(caught: unknown, options: AppendOptions): Promise<never> {
  if (caught instanceof AssertionError) throw caught;
  return Promise.reject(refuseEarly(caught, options));
}

function portsOf(options: ReplicaOptions): ReplicaPorts {
  return {
    peers: options.peers ?? noPeers,
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
    observer: options.observer ?? silentObserver,
    schedule: options.schedule ?? ((task: () => void) => void setImmediate(task)),
  };
}

function timingOf({ timing }: ReplicaOptions): ReplicaTiming {
  const { tickMs, heartbeatTicks, electionTimeoutTicks } = limits;
  return { tickMs, heartbeatTicks, electionTimeoutTicks, ...timing };
}
