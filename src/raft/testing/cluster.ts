import { assert, type Configuration, seededRandom } from "../../base/index.ts";
import {
  type ConfigurationOperation,
  type Entry,
  type Message,
  type MessageKind,
  Raft,
  type RaftEvent,
  type RaftOptions,
  type Ready,
  type Snapshot,
  type StorageAppend,
  type StorageApply,
  type StorageResponse,
} from "../index.ts";
import { MemoryStorage, NOBODY } from "./memory-storage.ts";

export type ClusterOptions = Partial<Omit<RaftOptions, "id" | "storage" | "observe">>;

export function member(replicaId: number): { replicaId: number; name: string } {
  return { replicaId, name: `r${replicaId}` };
}

export function votersOf(...ids: readonly number[]): Configuration {
  return { ...NOBODY, voters: ids.map(member) };
}

/** `v3`, `l4`, `r1`: add a voter, add a learner, remove. */
export function operations(...words: readonly string[]): ConfigurationOperation[] {
  const kinds = { v: "addVoter", l: "addLearner", r: "remove", u: "update" } as const;
  return words.map((word) => ({
    kind: kinds[word.charAt(0) as keyof typeof kinds],
    member: member(Number(word.slice(1))),
  }));
}

/** A log in short: `["1:a", "2:"]`, the term and the payload of each entry. */
export function brief(entries: readonly Entry[]): string[] {
  return entries.map(({ term, kind, payload }) => {
    return `${term}:${kind === "normal" ? (payload as string) : kind === "noop" ? "" : "*"}`;
  });
}

export interface Seat {
  raft: Raft;
  storage: MemoryStorage;
  options: ClusterOptions;
  isDown: boolean;
  applied: Entry[];
  reads: Ready["readStates"][number][];
  appends: StorageAppend[];
  applies: StorageApply[];
}

/**
 * Some replicas in one hand: their storage is memory, their network a list. Nothing moves unless it
 * is told to; what must hold always is checked after every step.
 */
export class Cluster {
  readonly seats: Map<number, Seat> = new Map();
  readonly events: { readonly id: number; readonly event: RaftEvent }[] = [];
  /** On their way, in order of sending. */
  messages: Message[] = [];
  /** What the network loses. */
  lose: (message: Message) => boolean = () => false;
  readonly #leaders = new Map<number, number>();
  readonly #committed = new Map<number, Entry>();
  readonly #options: ClusterOptions;

  constructor(ids: readonly number[], options: ClusterOptions = {}) {
    this.#options = options;
    for (const id of ids) this.add(id, votersOf(...ids));
  }

  add(id: number, configuration: Configuration = NOBODY, options: ClusterOptions = {}): Raft {
    const storage = new MemoryStorage();
    storage.configuration = configuration;
    this.#seat(id, storage, { ...this.#options, ...options });
    return this.raft(id);
  }

  #seat(id: number, storage: MemoryStorage, options: ClusterOptions, applied?: number): void {
    const raft = new Raft({
      electionTimeoutTicks: 10,
      heartbeatTicks: 1,
      random: seededRandom(id),
      ...options,
      id,
      storage,
      ...(applied === undefined ? {} : { applied }),
      observe: (event) => {
        this.events.push({ id, event });
        if (event.kind === "becameLeader") this.#noteLeader(id, event.term);
      },
    });
    const before = this.seats.get(id);
    this.seats.set(id, {
      raft,
      storage,
      options,
      isDown: false,
      applied: before?.applied ?? [],
      reads: [],
      appends: [],
      applies: [],
    });
  }

  /** Paper figure 3, election safety: at most one leader a term. */
  #noteLeader(id: number, term: number): void {
    const known = this.#leaders.get(term) ?? id;
    assert(known === id, `two leaders in term ${term}: ${known} and ${id}`);
    this.#leaders.set(term, id);
  }

  seat(id: number): Seat {
    const seat = this.seats.get(id);
    assert(seat !== undefined, `there is no replica ${id}`);
    return seat;
  }

  raft(id: number): Raft {
    return this.seat(id).raft;
  }

  /** The only leader of the highest term, if it is known. */
  get leader(): number {
    const leaders = [...this.seats.values()]
      .filter(({ raft, isDown }) => raft.role === "leader" && !isDown)
      .sort((a, b) => b.raft.term - a.raft.term);
    return leaders[0]?.raft.id ?? 0;
  }

  eventsOf<K extends RaftEvent["kind"]>(id: number, kind: K): Extract<RaftEvent, { kind: K }>[] {
    return this.events
      .filter((told) => told.id === id && told.event.kind === kind)
      .map((told) => told.event as Extract<RaftEvent, { kind: K }>);
  }

  log(id: number): string[] {
    const { raft, storage } = this.seat(id);
    const entries = raft.entries(storage.firstIndex(), raft.lastIndex + 1, Infinity);
    return typeof entries === "string" ? [entries] : brief(entries);
  }

  appliedBy(id: number): string[] {
    return brief(this.seat(id).applied);
  }

  /** Everything that one Ready asks for; what asynchronous storage does waits for `store`. */
  work(id: number): void {
    const seat = this.seat(id);
    const { raft } = seat;
    if (seat.isDown || !raft.hasReady()) return;
    const ready = raft.ready();
    seat.reads.push(...ready.readStates);
    if (ready.storageAppend !== undefined) seat.appends.push(ready.storageAppend);
    if (ready.storageApply !== undefined) seat.applies.push(ready.storageApply);
    if (seat.options.asynchronousStorage === true) {
      this.send(ready.messages);
      return;
    }
    this.#persist(seat, ready);
    this.send(ready.messages);
    this.#apply(seat, ready.committedEntries);
    raft.advance();
  }

  /** One task of asynchronous storage, appends before applications; false when there is none. */
  store(id: number): boolean {
    const seat = this.seat(id);
    if (seat.isDown) return false;
    const append = seat.appends.shift();
    const apply = append === undefined ? seat.applies.shift() : undefined;
    if (append !== undefined) this.#persist(seat, append);
    if (apply !== undefined) this.#apply(seat, apply.entries);
    const task = append ?? apply;
    if (task === undefined) return false;
    for (const response of task.responses) this.#release(seat, response);
    return true;
  }

  #release(seat: Seat, response: StorageResponse): void {
    if (response.to === seat.raft.id) seat.raft.stepLocal(response);
    else this.send([response as Message]);
  }

  #persist(
    { storage, options }: Seat,
    task: Pick<StorageAppend, "hardState" | "entries" | "snapshot">,
  ): void {
    const { hardState, entries, snapshot } = task;
    if (hardState !== undefined) {
      const { term, vote } = storage.hardState;
      assert(hardState.term >= term, "terms never go back");
      assert(
        hardState.term > term || vote === 0 || hardState.vote === vote || options.damaged === true,
        "one vote a term",
      );
      storage.hardState = hardState;
    }
    if (snapshot !== undefined) storage.install(snapshot);
    storage.append(entries);
  }

  #apply(seat: Seat, entries: readonly Entry[]): void {
    for (const entry of entries) {
      this.#noteApplied(entry);
      seat.applied = [...seat.applied.filter(({ index }) => index < entry.index), entry];
      if (entry.kind === "configuration") {
        seat.storage.configuration = seat.raft.applyConfiguration(entry.index, entry.payload);
        seat.storage.configurationIndex = seat.raft.configurationIndex;
      }
    }
  }

  /** Paper figure 3, state machine safety: nobody applies another entry at an index. */
  #noteApplied(entry: Entry): void {
    const known = this.#committed.get(entry.index) ?? entry;
    assert(
      JSON.stringify(known) === JSON.stringify(entry),
      `two entries were applied at ${entry.index}`,
    );
    this.#committed.set(entry.index, entry);
  }

  send(messages: readonly Message[]): void {
    this.messages.push(...messages.filter((message) => !this.lose(message)));
  }

  /** Takes messages off the network, to be delivered later or never. */
  takeOut(choose: (message: Message) => boolean): Message[] {
    const taken = this.messages.filter(choose);
    this.messages = this.messages.filter((message) => !choose(message));
    return taken;
  }

  deliver(message: Message): void {
    const seat = this.seats.get(message.to);
    if (seat === undefined || seat.isDown) return;
    seat.raft.step(structuredClone(message));
  }

  /** Until nothing moves. */
  run(turnsMax = 1_000): void {
    for (let turn = 0; turn < turnsMax; turn++) {
      for (const id of this.seats.keys()) this.work(id);
      let moved = false;
      for (const id of this.seats.keys()) while (this.store(id)) moved = true;
      const messages = this.takeOut(() => true);
      for (const message of messages) this.deliver(message);
      const waits = [...this.seats.values()].some(({ raft, isDown }) => !isDown && raft.hasReady());
      if (!moved && messages.length === 0 && !waits) return;
    }
    assert(false, "it never comes to rest");
  }

  tick(id: number, count = 1): void {
    for (let at = 0; at < count; at++) this.raft(id).tick();
  }

  /** Time passes for all, with everything that follows. */
  pass(ticks: number): void {
    for (let at = 0; at < ticks; at++) {
      for (const { raft, isDown } of this.seats.values()) if (!isDown) raft.tick();
      this.run();
    }
  }

  elect(id: number): void {
    this.raft(id).campaign();
    this.run();
    assert(this.raft(id).role === "leader", `replica ${id} leads`);
  }

  /** Each payload an entry of its own. */
  propose(id: number, ...payloads: readonly string[]): void {
    for (const payload of payloads) {
      this.raft(id).propose([{ payload, sizeBytes: payload.length }]);
    }
    this.run();
  }

  change(id: number, ...words: readonly string[]): void {
    const change = { version: 2, transition: "auto", operations: operations(...words) } as const;
    this.raft(id).proposeConfiguration(change, 4 * words.length);
    this.run();
  }

  isolate(...ids: readonly number[]): void {
    this.lose = ({ from, to }) => ids.includes(from) !== ids.includes(to);
  }

  heal(): void {
    this.lose = () => false;
  }

  drop(...kinds: readonly MessageKind[]): void {
    this.lose = ({ kind }) => kinds.includes(kind);
  }

  /** Everything that is not durable is lost. */
  crash(id: number): void {
    const seat = this.seat(id);
    seat.isDown = true;
    seat.appends = [];
    seat.applies = [];
  }

  /** Another life on the same storage. */
  restart(id: number, options: ClusterOptions = {}): Raft {
    const { storage, options: before } = this.seat(id);
    const copy = storage.clone();
    // A commit index may be lost at any time.
    copy.hardState = {
      ...copy.hardState,
      commit: Math.min(copy.hardState.commit, copy.lastIndex()),
    };
    this.#seat(id, copy, { ...before, damaged: false, ...options }, copy.firstIndex() - 1);
    return this.raft(id);
  }

  /** Storage forgets what is applied, up to `index`, and can serve a snapshot of it. */
  compact(id: number, index: number): void {
    const { raft, storage } = this.seat(id);
    const term = raft.termAt(index);
    assert(term !== undefined && index <= raft.appliedIndex, "only what is applied is forgotten");
    const { configuration } = raft;
    const snapshot: Snapshot = { index, term, configuration, data: `up to ${index}` };
    storage.setSnapshot(snapshot);
    storage.compact(index);
  }
}
