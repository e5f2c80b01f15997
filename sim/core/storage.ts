import { below, type Configuration, type Random } from "../../src/base/index.ts";
import type {
  ConfigurationEntry,
  Entry,
  HardState,
  InitialState,
  Snapshot,
  Storage,
} from "../../src/raft/index.ts";
import type { LogFacts } from "../checkers/index.ts";

/** What is to become durable together, as the core hands it out. */
export interface StorageTask {
  /** False: a newer commit alone, which may be lost. */
  readonly mustSync?: boolean;
  readonly hardState: HardState | undefined;
  readonly entries: readonly Entry[];
  readonly snapshot: Snapshot | undefined;
}

const NOBODY: Configuration = {
  voters: [],
  votersOutgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
};

/** What a disk holds. */
interface Disk {
  hardState: HardState;
  configuration: Configuration;
  configurationIndex: number;
  snapshot: Snapshot | undefined;
  /** The last entry that is gone. */
  prefixIndex: number;
  prefixTerm: number;
  entries: Entry[];
}

/**
 * The disk of a core without an engine: two copies of the truth, what was written and what is durable,
 * and a row of tasks between the two. A crash keeps some of the tasks, and of the next one a part.
 */
export class SimulatedStorage implements Storage {
  /** The log may have lost what was acknowledged; kept over restarts, as a marker file would be. */
  damaged = false;
  #disk: Disk;
  #pending: StorageTask[] = [];
  /** Made once, because the checkers ask for facts after every event. */
  readonly #termAt = (index: number): number | undefined => this.term(index);

  /**
   * A disk as a cluster begins with it: the first entry is behind a snapshot, and the configuration
   * in it, so that whoever is added later has to be given that. Without a configuration: an empty one.
   */
  constructor(configuration: Configuration | undefined) {
    const index = configuration === undefined ? 0 : 1;
    const snapshot = configuration && { index, term: 1, configuration, data: [] };
    this.#disk = {
      hardState: { term: index, vote: 0, commit: index },
      configuration: configuration ?? NOBODY,
      configurationIndex: index,
      snapshot,
      prefixIndex: index,
      prefixTerm: index,
      entries: [],
    };
  }

  initialState(): InitialState {
    const { hardState, configuration, configurationIndex } = this.#disk;
    // The hint may be beyond what a damaged log still has; a snapshot is of what was committed.
    const known = Math.max(hardState.commit, this.#disk.snapshot?.index ?? 0);
    const commit = Math.min(known, this.lastIndex());
    return { hardState: { ...hardState, commit }, configuration, configurationIndex };
  }

  firstIndex(): number {
    return this.#disk.prefixIndex + 1;
  }

  lastIndex(): number {
    return this.#disk.prefixIndex + this.#disk.entries.length;
  }

  term(index: number): number | undefined {
    const { prefixIndex, prefixTerm, entries } = this.#disk;
    return index === prefixIndex ? prefixTerm : entries[index - prefixIndex - 1]?.term;
  }

  entries(low: number, high: number, bytesMax: number): readonly Entry[] | "compacted" {
    const { prefixIndex, entries } = this.#disk;
    if (low <= prefixIndex) return "compacted";
    const found: Entry[] = [];
    let bytes = 0;
    for (let at = low - prefixIndex - 1; at < high - prefixIndex - 1; at++) {
      const entry = entries[at];
      if (entry === undefined) break;
      bytes += entry.sizeBytes;
      if (found.length > 0 && bytes > bytesMax) break;
      found.push(entry);
    }
    return found;
  }

  /** All that is there from `index` on, also what is on its way. */
  entriesFrom(index: number): readonly Entry[] {
    const all = [...this.#disk.entries, ...this.#pending.flatMap(({ entries }) => entries)];
    return all.filter((entry) => entry.index >= index);
  }

  snapshot(): Snapshot | undefined {
    return this.#disk.snapshot;
  }

  /** What is on the disk. */
  get facts(): LogFacts {
    const lastIndex = this.lastIndex();
    const termAt = this.#termAt;
    return { firstIndex: this.firstIndex(), lastIndex, durableIndex: lastIndex, termAt };
  }

  /** The same, without what tasks on their way will replace: it is of an older leader. */
  get factsToStay(): LogFacts {
    let durableIndex = this.lastIndex();
    for (const { entries, snapshot } of this.#pending) {
      const first = entries[0]?.index;
      if (first !== undefined) durableIndex = Math.min(durableIndex, first - 1);
      if (snapshot !== undefined) durableIndex = Math.min(durableIndex, snapshot.index);
    }
    return { ...this.facts, durableIndex };
  }

  /** Written, not durable. */
  write(task: StorageTask): void {
    this.#pending.push(task);
  }

  /** The oldest task is durable now; returns from where on entries were cut, if any. */
  complete(task: StorageTask): number | undefined {
    if (this.#pending[0] !== task) throw new Error("storage tasks complete in order");
    this.#pending.shift();
    return apply(this.#disk, task, Infinity);
  }

  /** A configuration that is about to be applied; durable at once. */
  keepConfiguration(entry: ConfigurationEntry, configuration: Configuration): void {
    this.#disk.configuration = configuration;
    this.#disk.configurationIndex = entry.index;
  }

  /** Entries up to `keepFrom − 1` go; the snapshot stands for those up to its index. */
  compact(snapshot: Snapshot, keepFrom: number): void {
    const disk = this.#disk;
    disk.snapshot = snapshot;
    const gone = Math.min(keepFrom - 1, snapshot.index) - disk.prefixIndex;
    if (gone <= 0) return;
    const last = disk.entries[gone - 1];
    if (last === undefined) return;
    disk.entries = disk.entries.slice(gone);
    disk.prefixIndex = last.index;
    disk.prefixTerm = last.term;
  }

  /** The process is gone: of what was not durable, a part is there. */
  crash(random: Random): void {
    const kept = below(random, this.#pending.length + 1);
    this.#pending.slice(0, kept).forEach((task) => apply(this.#disk, task, Infinity));
    const torn = this.#pending[kept];
    if (torn !== undefined) apply(this.#disk, torn, below(random, torn.entries.length + 1));
    this.#pending = [];
  }

  /** A part of the damage that chance does: entries from `index` on are gone. */
  cut(index: number): void {
    const disk = this.#disk;
    disk.entries.length = Math.min(disk.entries.length, index - disk.prefixIndex - 1);
    const last = disk.prefixIndex + disk.entries.length;
    disk.hardState = { ...disk.hardState, commit: Math.min(disk.hardState.commit, last) };
  }

  /** The other part. */
  forgetVote(): void {
    this.#disk.hardState = { term: 0, vote: 0, commit: this.#disk.hardState.commit };
  }

  /** Damage: the end of the log is unreadable, and perhaps the vote as well. */
  damage(random: Random): void {
    this.damaged = true;
    const disk = this.#disk;
    const whole = Math.max(0, (disk.snapshot?.index ?? 0) - disk.prefixIndex);
    disk.entries.length = whole + below(random, disk.entries.length - whole + 1);
    if (below(random, 2) === 0) disk.hardState = { term: 0, vote: 0, commit: 0 };
    const last = disk.prefixIndex + disk.entries.length;
    disk.hardState = { ...disk.hardState, commit: Math.min(disk.hardState.commit, last) };
  }
}

/** Votes are written before entries, so that a torn task has the votes. */
function apply(disk: Disk, task: StorageTask, entriesMax: number): number | undefined {
  const { hardState, mustSync = true } = task;
  // Of what need not be synced a power cut leaves nothing; a newer commit is a hint, and harmless.
  if (hardState !== undefined && (mustSync || task.snapshot !== undefined)) {
    disk.hardState = hardState;
  } else if (hardState !== undefined) {
    disk.hardState = { ...disk.hardState, commit: hardState.commit };
  }
  const { snapshot } = task;
  if (snapshot !== undefined) {
    disk.snapshot = snapshot;
    disk.prefixIndex = snapshot.index;
    disk.prefixTerm = snapshot.term;
    disk.configuration = snapshot.configuration;
    disk.configurationIndex = snapshot.index;
    disk.entries = [];
  }
  const entries = task.entries.slice(0, entriesMax);
  const first = entries[0];
  if (first === undefined) return undefined;
  const at = first.index - disk.prefixIndex - 1;
  const cut = at < disk.entries.length ? first.index : undefined;
  disk.entries.length = Math.min(disk.entries.length, at);
  disk.entries.push(...entries);
  return cut;
}
