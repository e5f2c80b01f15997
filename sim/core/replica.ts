import { below, chance, type Random } from "../../src/base/index.ts";
import {
  Raft,
  type ConfigurationChange,
  type Entry,
  type Message,
  type Ready,
  type Snapshot,
  type StorageResponse,
} from "../../src/raft/index.ts";
import type { LogFacts, StateFacts, Watch } from "../checkers/index.ts";
import type { World } from "../world/index.ts";
import { digestOf, payloadOf, type Payload } from "./payload.ts";
import type { SimulatedStorage, StorageTask } from "./storage.ts";

/** How the replicas of a run are driven. */
export interface DriveOptions {
  readonly asynchronousStorage: boolean;
  /** Rare paths made likely: messages of few entries, early compaction. */
  readonly tiny: boolean;
  readonly forwardProposals: boolean;
}

/** What a replica needs of its surroundings. */
export interface Surroundings {
  readonly world: World;
  readonly watch: Watch;
  readonly options: DriveOptions;
  send(from: number, message: Message): void;
  /** The log of a replica that still leads in this term. */
  leadersLog(id: number, term: number): LogFacts | undefined;
  syncMs(id: number): number;
}

/** Waits for an attempt to be applied here, or for a read. */
export interface Waiter {
  /** Of an append: its offset. */
  applied(offset: number): void;
}

const TICK_MS = 10;
const ELECTION_TICKS = 25;
const HEARTBEAT_TICKS = 5;
const ENTRY_BYTES = 100;

/**
 * One life of a replica: the core, driven by the book over a simulated disk. It ends with `stop`; the
 * next life begins with what the disk kept.
 */
export class CoreReplica {
  readonly id: number;
  readonly raft: Raft;
  /** The state machine: every value applied, in order. */
  readonly values: string[];
  readonly attempts: Map<number, Waiter> = new Map();
  readonly reads: Map<number, (index: number) => void> = new Map();
  readonly #storage: SimulatedStorage;
  readonly #around: Surroundings;
  readonly #random: Random;
  /** Reads whose index is known and not yet applied. */
  #readsDue: { readonly index: number; readonly answer: (index: number) => void }[] = [];
  #applied: number;
  #alive = true;
  /** Synchronous storage: a `Ready` is on its way to the disk. */
  #persisting = false;
  /** Asynchronous storage: tasks that wait for the disk. */
  readonly #tasks: {
    readonly task: StorageTask;
    readonly responses: readonly StorageResponse[];
  }[] = [];
  #pausedUntilMs = 0;
  #syncing = false;
  #lastTerm = -1;
  #lastVote = -1;
  #lastCommit = -1;
  #lastRole = "";
  #cancelTick: () => void;

  constructor(id: number, storage: SimulatedStorage, random: Random, around: Surroundings) {
    this.id = id;
    this.#storage = storage;
    this.#around = around;
    this.#random = random;
    const snapshot = storage.snapshot();
    this.#applied = snapshot?.index ?? 0;
    this.values = [...((snapshot?.data as readonly string[] | undefined) ?? [])];
    const { tiny, asynchronousStorage, forwardProposals } = around.options;
    this.raft = new Raft({
      id,
      storage,
      random,
      electionTimeoutTicks: ELECTION_TICKS,
      heartbeatTicks: HEARTBEAT_TICKS,
      applied: this.#applied,
      asynchronousStorage,
      preVote: true,
      checkQuorum: true,
      stepDownOnRemoval: true,
      forwardProposals,
      messageBytesMax: tiny ? 3 * ENTRY_BYTES : 64 * ENTRY_BYTES,
      committedBytesMax: tiny ? 2 * ENTRY_BYTES : 1_000 * ENTRY_BYTES,
      uncommittedBytesMax: tiny ? 20 * ENTRY_BYTES : 1_000 * ENTRY_BYTES,
      inflightMessagesMax: tiny ? 2 : 64,
      damaged: storage.damaged,
    });
    around.watch.restarted(id, this.#state());
    // The end that is missing leaves no holes: the leader sends it again like any other.
    if (storage.damaged) this.raft.reportRepaired();
    this.#cancelTick = around.world.after(below(random, TICK_MS), () => this.#tick());
    this.#observe();
  }

  stop(): void {
    this.#alive = false;
    this.#cancelTick();
  }

  get applied(): number {
    return this.#applied;
  }

  /** Until then no timer fires and no disk answers. */
  pause(untilMs: number): void {
    this.#pausedUntilMs = untilMs;
  }

  unreachable(peer: number): void {
    this.raft.reportUnreachable(peer);
    this.work();
  }

  /** What is in memory of the log from `index` on. */
  entriesFrom(index: number): readonly Entry[] {
    const { lastIndex } = this.raft;
    if (index > lastIndex) return [];
    const entries = this.raft.entries(index, lastIndex + 1, Number.MAX_SAFE_INTEGER);
    return typeof entries === "string" ? [] : entries;
  }

  snapshotSent(peer: number, delivered: boolean): void {
    this.raft.reportSnapshot(peer, delivered);
    this.work();
  }

  transfer(to: number): void {
    this.raft.transferLeadership(to);
    this.work();
  }

  change(change: ConfigurationChange): void {
    this.raft.proposeConfiguration(change, ENTRY_BYTES);
    this.work();
  }

  receive(message: Message): void {
    this.raft.step(message);
    this.work();
  }

  propose(payload: Payload): "refused" | "taken" {
    const result = this.raft.propose([{ payload, sizeBytes: ENTRY_BYTES }]);
    this.work();
    return result.kind === "refused" ? "refused" : "taken";
  }

  /** Calls back with an index that may be read when it is applied here; false when there is no leader. */
  readIndex(answer: (index: number) => void): boolean {
    const result = this.raft.readIndex();
    if (result.kind === "refused") return false;
    this.reads.set(result.readId, answer);
    this.work();
    return true;
  }

  /** Takes what the core wants done, as long as there is something. */
  work(): void {
    const { asynchronousStorage } = this.#around.options;
    while (this.#alive && !this.#persisting && this.raft.hasReady()) {
      const ready = this.raft.ready();
      this.#noteReads(ready);
      if (asynchronousStorage) this.#handOut(ready);
      else this.#persist(ready);
    }
    if (this.#alive) this.#observe();
    if (this.#storage.damaged && !this.raft.damaged) this.#storage.damaged = false;
  }

  #tick(): void {
    const pausedMs = this.#pausedUntilMs - this.#around.world.nowMs;
    if (pausedMs > 0) {
      this.#cancelTick = this.#around.world.after(pausedMs, () => this.#tick());
      return;
    }
    this.#cancelTick = this.#around.world.after(TICK_MS, () => this.#tick());
    this.raft.tick();
    if (this.raft.hasReady()) this.work();
    else this.#observe();
  }

  #noteReads({ readStates }: Ready): void {
    for (const { readId, index } of readStates) {
      const answer = this.reads.get(readId);
      this.reads.delete(readId);
      if (answer !== undefined) this.#readsDue.push({ index, answer });
    }
    this.#answerReads();
  }

  #answerReads(): void {
    if (this.#readsDue.length === 0) return;
    const due = this.#readsDue.filter(({ index }) => index <= this.#applied);
    if (due.length === 0) return;
    this.#readsDue = this.#readsDue.filter(({ index }) => index > this.#applied);
    for (const { index, answer } of due) answer(index);
  }

  // Synchronous storage.

  #persist(ready: Ready): void {
    const nothing = ready.entries.length === 0 && ready.snapshot === undefined;
    if (nothing && ready.hardState === undefined) {
      this.#finish(ready);
      return;
    }
    const task = { ...ready };
    this.#begin(task);
    if (!ready.mustSync && ready.snapshot === undefined) {
      this.#complete(task);
      this.#finish(ready);
      return;
    }
    this.#persisting = true;
    this.#later(() => {
      this.#complete(task);
      this.#persisting = false;
      this.#finish(ready);
      this.work();
    });
  }

  #finish({ messages, committedEntries }: Ready): void {
    for (const message of messages) this.#send(message);
    this.#apply(committedEntries);
    this.raft.advance();
  }

  // Asynchronous storage.

  #handOut(ready: Ready): void {
    ready.messages.forEach((message) => this.#send(message));
    const { storageAppend, storageApply } = ready;
    if (storageAppend !== undefined) {
      this.#begin(storageAppend);
      this.#tasks.push({ task: storageAppend, responses: storageAppend.responses });
      if (!this.#syncing) this.#sync();
    }
    if (storageApply !== undefined) {
      const run = (): void => {
        this.#apply(storageApply.entries);
        this.#release(storageApply.responses);
        this.work();
      };
      this.#applyQueue.push(run);
      if (this.#applyQueue.length === 1) this.#applyNext();
    }
  }

  readonly #applyQueue: (() => void)[] = [];

  #applyNext(): void {
    const delay = chance(this.#random, 0.2) ? below(this.#random, 20) : 0;
    this.#around.world.after(delay, () => {
      const run = this.#applyQueue[0];
      if (!this.#alive || run === undefined) return;
      run();
      this.#applyQueue.shift();
      if (this.#applyQueue.length > 0) this.#applyNext();
    });
  }

  /** One fsync for everything that was written until it began. */
  #sync(): void {
    this.#syncing = true;
    const group = this.#tasks.slice();
    this.#later(() => {
      for (const { task, responses } of group) {
        this.#tasks.shift();
        this.#complete(task);
        this.#release(responses);
      }
      this.#syncing = false;
      if (this.#tasks.length > 0) this.#sync();
      this.work();
    });
  }

  #release(responses: readonly StorageResponse[]): void {
    for (const response of responses) {
      if (response.to === this.id) this.raft.stepLocal(response);
      else this.#send(response as Message);
    }
  }

  #later(action: () => void, ms: number = this.#around.syncMs(this.id)): void {
    this.#around.world.after(ms, () => {
      if (!this.#alive) return;
      const pausedMs = this.#pausedUntilMs - this.#around.world.nowMs;
      if (pausedMs > 0) this.#later(action, pausedMs);
      else action();
    });
  }

  #begin(task: StorageTask): void {
    this.#storage.write(task);
    const [first] = task.entries;
    let previous = first && this.#termBefore(first, task);
    for (const entry of task.entries) {
      this.#around.watch.entry({ ...entry, digest: digestOf(entry) }, previous);
      previous = entry.term;
    }
  }

  #termBefore(entry: Entry, { snapshot }: StorageTask): number | undefined {
    if (snapshot?.index === entry.index - 1) return snapshot.term;
    const before = termOf(this.raft.entries(entry.index - 1, entry.index, 1));
    return before ?? this.#storage.term(entry.index - 1);
  }

  #complete(task: StorageTask): void {
    const { watch } = this.#around;
    const cut = this.#storage.complete(task);
    if (cut !== undefined) watch.truncated(this.id, cut);
    if (task.snapshot !== undefined) this.#install(task.snapshot);
  }

  #install(snapshot: Snapshot): void {
    this.#around.watch.installed(this.id, snapshot.index, snapshot.term);
    this.values.length = 0;
    this.values.push(...(snapshot.data as readonly string[]));
    this.#applied = snapshot.index;
    this.#answerReads();
  }

  #apply(entries: readonly Entry[]): void {
    for (const entry of entries) {
      // A snapshot that was installed meanwhile has it already.
      if (entry.index <= this.#applied) continue;
      this.#applied = entry.index;
      this.#around.watch.applied(this.id, { ...entry, digest: digestOf(entry) }, this.raft.term);
      const payload = payloadOf(entry);
      if (payload !== undefined) {
        const offset = this.values.push(payload.value) - 1;
        this.attempts.get(payload.attempt)?.applied(offset);
        this.attempts.delete(payload.attempt);
      } else if (entry.kind === "configuration") {
        const configuration = this.raft.applyConfiguration(entry.index, entry.payload);
        if (entry.index > this.#storage.initialState().configurationIndex) {
          this.#storage.keepConfiguration(entry, configuration);
        }
      }
    }
    this.#answerReads();
    this.#compactSometimes();
  }

  #compactSometimes(): void {
    const keep = this.#around.options.tiny ? 5 : 500;
    if (this.#applied - this.#storage.firstIndex() < 2 * keep) return;
    // Of an entry that storage has not acknowledged yet no snapshot is made.
    const term = this.#storage.term(this.#applied);
    const { configuration, configurationIndex } = this.raft;
    if (term === undefined || configurationIndex > this.#applied) return;
    const data: readonly string[] = this.values.slice();
    const snapshot = { index: this.#applied, term, configuration, data };
    this.#storage.compact(snapshot, this.#applied - below(this.#random, keep));
  }

  #send(message: Message): void {
    const { watch } = this.#around;
    if (message.kind === "requestVoteResponse" && !message.rejected) {
      watch.voted(this.id, message.term, message.to);
    }
    // An answer of an old term may leave when its entries are about to be cut; it counts nowhere.
    const isCurrent = message.term === this.raft.term;
    if (message.kind === "appendEntriesResponse" && !message.rejected && isCurrent) {
      const leaders = this.#around.leadersLog(message.to, message.term);
      watch.acknowledged(this.id, message.index, this.#storage.factsToStay, leaders);
    }
    this.#around.send(this.id, message);
  }

  /** Everything in its log, durable or not, while it leads in `term`. */
  leadersLog(term: number): LogFacts | undefined {
    const { raft } = this;
    return raft.role === "leader" && raft.term === term ? this.#facts() : undefined;
  }

  /** The checkers look when something they can see has changed. */
  #observe(): void {
    const { term, vote, commitIndex, role } = this.raft;
    const same = term === this.#lastTerm && vote === this.#lastVote;
    if (same && commitIndex === this.#lastCommit && role === this.#lastRole) return;
    this.#lastTerm = term;
    this.#lastVote = vote;
    this.#lastCommit = commitIndex;
    this.#lastRole = role;
    this.#around.world.note(role, this.id, term, commitIndex);
    this.#around.watch.observed(this.id, this.#state(), this.#facts());
  }

  #state(): StateFacts {
    const { term, vote, commitIndex } = this.raft;
    // Who decides is told by what was applied, not by what the core makes of it.
    const { configuration } = this.#storage.initialState();
    const role = this.raft.role === "preCandidate" ? "pre-candidate" : this.raft.role;
    const voters = [idsOf(configuration.voters), idsOf(configuration.votersOutgoing)];
    return {
      role,
      term,
      vote,
      commit: commitIndex,
      voters: voters.filter((set) => set.length > 0),
    };
  }

  #facts(): ReturnType<() => SimulatedStorage["facts"]> {
    const { raft } = this;
    const durable = this.#storage.facts;
    return {
      firstIndex: durable.firstIndex,
      lastIndex: raft.lastIndex,
      durableIndex: durable.durableIndex,
      termAt(index) {
        const term = termOf(raft.entries(index, index + 1, 1));
        return term ?? (index <= raft.lastIndex ? durable.termAt(index) : undefined);
      },
    };
  }
}

function idsOf(members: readonly { readonly replicaId: number }[]): number[] {
  return members.map(({ replicaId }) => replicaId);
}

function termOf(entries: ReturnType<Raft["entries"]>): number | undefined {
  return typeof entries === "string" ? undefined : entries[0]?.term;
}
