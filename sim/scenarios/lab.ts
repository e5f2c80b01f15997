import { seededRandom, soleVoter, type Configuration } from "../../src/base/index.ts";
import {
  type ConfigurationChange,
  Raft,
  type Entry,
  type Message,
  type RaftOptions,
  type Ready,
} from "../../src/raft/index.ts";
import { Watch, type LogFacts, type StateFacts, type Violation } from "../checkers/index.ts";
import { digestOf } from "../core/payload.ts";
import { SimulatedStorage, type StorageTask } from "../core/storage.ts";

type Settings = Partial<Omit<RaftOptions, "id" | "storage" | "random">>;

interface Member {
  readonly storage: SimulatedStorage;
  raft: Raft | undefined;
}

export type MessageFilter = (message: Message) => boolean;

export const ENTRY_BYTES = 100;
const ROUNDS_MAX = 1_000;

/**
 * Cores under a hand instead of chance: nothing moves until the script says so. Disks are at once
 * durable, messages lie in a heap from which the script takes what it wants delivered or lost, and the
 * checkers watch as they do in a simulation.
 */
export class Lab {
  readonly violations: Violation[] = [];
  /** Sent, and not yet delivered or lost, oldest first. */
  messages: Message[] = [];
  /** What each replica was told may be read. */
  readonly reads: { readonly id: number; readonly readId: number; readonly index: number }[] = [];
  /** Who is slow to apply: with asynchronous storage, nothing at all from now on. */
  readonly heldApplying: Set<number> = new Set();
  readonly #settings: Settings;
  readonly #watch: Watch;
  readonly #members: Map<number, Member> = new Map();
  #lives = 0;

  constructor(replicas: number, settings: Settings = {}) {
    this.#settings = settings;
    const report = (rule: string, message: string): void => {
      this.violations.push({ rule, message });
    };
    this.#watch = new Watch(report, (id) => this.#members.get(id)?.storage.facts);
    const voters = Array.from({ length: replicas }, (_, i) => memberOf(i + 1));
    const configuration: Configuration = { ...soleVoter(memberOf(1)), voters };
    for (const { replicaId } of voters) this.add(replicaId, configuration);
  }

  /** One more replica; without a configuration it knows of nobody. */
  add(id: number, configuration?: Configuration): void {
    this.#members.set(id, { storage: new SimulatedStorage(configuration), raft: undefined });
    this.restart(id);
  }

  raft(id: number): Raft {
    const raft = this.#members.get(id)?.raft;
    if (raft === undefined) throw new Error(`${id} does not run`);
    return raft;
  }

  storage(id: number): SimulatedStorage {
    return (this.#members.get(id) as Member).storage;
  }

  /** Dies, with everything in memory; messages to it are lost. */
  crash(id: number): void {
    (this.#members.get(id) as Member).raft = undefined;
    this.lose(({ to }) => to === id);
  }

  restart(id: number): void {
    const member = this.#members.get(id) as Member;
    const raft = new Raft({
      electionTimeoutTicks: 10,
      heartbeatTicks: 1,
      ...this.#settings,
      id,
      storage: member.storage,
      random: seededRandom(++this.#lives),
      damaged: member.storage.damaged,
    });
    member.raft = raft;
    if (member.storage.damaged) raft.reportRepaired();
    this.#watch.restarted(id, this.#state(raft));
    this.work(id);
  }

  campaign(id: number): void {
    this.raft(id).campaign();
    this.work(id);
  }

  propose(id: number, value: string): void {
    this.raft(id).propose([{ payload: { value, attempt: 0 }, sizeBytes: ENTRY_BYTES }]);
    this.work(id);
  }

  change(id: number, operations: ConfigurationChange["operations"]): void {
    this.raft(id).proposeConfiguration({ version: 2, transition: "auto", operations }, 0);
    this.work(id);
  }

  /** The id of a read that was begun; what it may see is in `reads` later. */
  read(id: number): number {
    const result = this.raft(id).readIndex();
    this.work(id);
    if (result.kind === "refused") throw new Error(`${id} takes no reads`);
    return result.readId;
  }

  tick(id: number, times = 1): void {
    for (let i = 0; i < times; i++) {
      this.raft(id).tick();
      this.work(id);
    }
  }

  /** Delivers the messages that are meant, and those that they bring about, until none is left. */
  deliver(meant: MessageFilter = () => true): void {
    for (let rounds = 0; rounds < ROUNDS_MAX; rounds++) {
      const at = this.messages.findIndex(meant);
      if (at < 0) return;
      const [message] = this.messages.splice(at, 1);
      if (message !== undefined) this.hand(message);
    }
    this.violations.push({ rule: "I11", message: "the messages have no end" });
  }

  /** Gives one message to its receiver, also one that was kept from earlier. */
  hand(message: Message): void {
    const raft = this.#members.get(message.to)?.raft;
    if (raft === undefined) return;
    raft.step(message);
    this.work(message.to);
  }

  /** Takes messages out of the heap and returns them: to be lost, or to come late. */
  take(meant: MessageFilter): Message[] {
    const taken = this.messages.filter(meant);
    this.messages = this.messages.filter((message) => !meant(message));
    return taken;
  }

  lose(meant: MessageFilter = () => true): void {
    this.take(meant);
  }

  /** Does what a core wants done. */
  work(id: number): void {
    const { raft, storage } = this.#members.get(id) as Member;
    if (raft === undefined) return;
    while (raft.hasReady()) {
      const ready = raft.ready();
      for (const { readId, index } of ready.readStates) this.reads.push({ id, readId, index });
      if (this.#settings.asynchronousStorage === true) {
        this.#workApart(id, raft, ready, storage);
        continue;
      }
      this.#persist(id, ready, storage);
      for (const message of ready.messages) this.#send(id, message, storage);
      for (const entry of ready.committedEntries) this.#apply(id, raft, entry, storage);
      raft.advance();
    }
    this.#watch.observed(id, this.#state(raft), this.#facts(raft, storage));
  }

  /** Asynchronous storage: the log is durable at once, and only what is held is not applied. */
  #workApart(id: number, raft: Raft, ready: Ready, storage: SimulatedStorage): void {
    const { storageAppend, storageApply } = ready;
    for (const message of ready.messages) this.#send(id, message, storage);
    if (storageAppend !== undefined) this.#persist(id, storageAppend, storage);
    const isApplied = storageApply !== undefined && !this.heldApplying.has(id);
    if (isApplied) {
      for (const entry of storageApply.entries) this.#apply(id, raft, entry, storage);
    }
    const applied = isApplied ? storageApply.responses : [];
    for (const response of [...(storageAppend?.responses ?? []), ...applied]) {
      if (response.to === id) raft.stepLocal(response);
      else this.#send(id, response as Message, storage);
    }
  }

  #persist(id: number, ready: StorageTask, storage: SimulatedStorage): void {
    let previous = storage.term((ready.entries[0]?.index ?? 1) - 1) ?? 0;
    for (const entry of ready.entries) {
      this.#watch.entry({ ...entry, digest: digestOf(entry) }, previous);
      previous = entry.term;
    }
    storage.write(ready);
    const cut = storage.complete(ready);
    if (cut !== undefined) this.#watch.truncated(id, cut);
    if (ready.snapshot !== undefined) {
      this.#watch.installed(id, ready.snapshot.index, ready.snapshot.term);
    }
  }

  #send(id: number, message: Message, storage: SimulatedStorage): void {
    this.messages.push(message);
    if (message.kind === "requestVoteResponse" && !message.rejected) {
      this.#watch.voted(id, message.term, message.to);
    }
    if (message.kind === "appendEntriesResponse" && !message.rejected) {
      const leaders = this.#leadersLog(message.to, message.term);
      this.#watch.acknowledged(id, message.index, storage.facts, leaders);
    }
  }

  #leadersLog(id: number, term: number): LogFacts | undefined {
    const raft = this.#members.get(id)?.raft;
    if (raft?.role !== "leader" || raft.term !== term) return undefined;
    const { firstIndex } = this.storage(id).facts;
    const { lastIndex } = raft;
    return { firstIndex, lastIndex, durableIndex: lastIndex, termAt: (at) => raft.termAt(at) };
  }

  #apply(id: number, raft: Raft, entry: Entry, storage: SimulatedStorage): void {
    this.#watch.applied(id, { ...entry, digest: digestOf(entry) }, raft.term);
    if (entry.kind !== "configuration") return;
    const known = storage.initialState().configurationIndex;
    const configuration = raft.applyConfiguration(entry.index, entry.payload);
    if (entry.index > known) storage.keepConfiguration(entry, configuration);
  }

  #state({ term, vote, role, commitIndex, configuration }: Raft): StateFacts {
    const { voters, votersOutgoing } = configuration;
    const sets = [voters, votersOutgoing].map((set) => set.map(({ replicaId }) => replicaId));
    return {
      role: role === "preCandidate" ? "pre-candidate" : role,
      term,
      vote,
      commit: commitIndex,
      voters: sets.filter((set) => set.length > 0),
    };
  }

  #facts(raft: Raft, storage: SimulatedStorage): LogFacts {
    return { ...storage.facts, lastIndex: raft.lastIndex };
  }
}

export function memberOf(id: number): { readonly replicaId: number; readonly name: string } {
  return { replicaId: id, name: `r${id}` };
}

/** Messages between these replicas only. */
export function among(...ids: readonly number[]): MessageFilter {
  return ({ from, to }) => ids.includes(from) && ids.includes(to);
}
