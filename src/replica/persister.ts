import { assert, ProglogError } from "../base/index.ts";
import type { Entry as LogEntry, Log, PrefixMarker } from "../log/index.ts";
import type { StorageAppend } from "../raft/index.ts";
import { toLog } from "./entries.ts";
import type { HardStateKeeper } from "./hard-state.ts";

export type PersisterLog = Pick<
  Log,
  "append" | "lastIndex" | "lastTerm" | "nextOffset" | "reset" | "sync" | "truncateBack"
>;

export interface PersisterParts {
  readonly log: PersisterLog;
  readonly hard: HardStateKeeper;
  /** Resolves when nobody else changes the log's files. */
  readonly quiesce: () => Promise<void>;
  /** Everything of the task is durable; called in the order of tasks. */
  readonly onDurable: (task: StorageAppend) => void;
  /** `RESOURCE_EXHAUSTED`: the log took back what was not durable. Otherwise it is dead. */
  readonly onFailed: (error: ProglogError) => void;
}

interface Syncing {
  readonly task: StorageAppend;
  isDurable: boolean;
}

/**
 * The storage worker: makes the core's tasks durable, in order. A task that only appends is handed to
 * the log at once, so that all that come while a sync runs share the next. One that changes term or
 * vote, cuts, or installs a marker waits for those before it, and those after wait for it: no sync of
 * entries that were cut meanwhile can vouch for others in their place.
 */
export class Persister {
  readonly #log: PersisterLog;
  readonly #hard: HardStateKeeper;
  readonly #parts: PersisterParts;
  #waiting: StorageAppend[] = [];
  /** Tasks handed to the log, in order; one is told only after those before it. */
  #syncing: Syncing[] = [];
  #alone = false;
  /** The last task that ran alone. */
  #ranAlone: Promise<void> = Promise.resolve();
  /** Raised when all tasks are thrown away: what their syncs say later is nobody's business. */
  #life = 0;
  /** Where the log's last term begins, as far as this has seen. */
  #lastRunFrom: number;
  #failed = false;

  constructor(parts: PersisterParts) {
    this.#log = parts.log;
    this.#hard = parts.hard;
    this.#parts = parts;
    this.#lastRunFrom = parts.log.lastIndex + 1;
  }

  get isIdle(): boolean {
    return this.#syncing.length === 0 && !this.#alone && this.#waiting.length === 0;
  }

  /** The leader's own entry, taken by the log before the core hands it out again in a task. */
  appendOwn(entry: LogEntry): void {
    assert(this.#waiting.length === 0 && !this.#alone, "a leader appends when nothing waits");
    this.#append(entry);
  }

  submit(task: StorageAppend): void {
    if (this.#failed) return;
    this.#waiting.push(task);
    this.#pump();
  }

  /** Throws away every task: the core that gave them is gone. */
  restart(): void {
    this.#life++;
    this.#waiting = [];
    this.#syncing = [];
    this.#alone = false;
    this.#lastRunFrom = this.#log.lastIndex + 1;
  }

  /**
   * After a restart: when the log is what it will be, because nothing that was begun before changes it any
   * more. A log that refuses an entry may still be taking back those before it. Resolves with the failure
   * of a log that is dead.
   */
  async settled(): Promise<ProglogError | undefined> {
    await this.#ranAlone;
    try {
      await this.#log.sync();
    } catch (caught) {
      const error = ProglogError.from(caught);
      if (error.code !== "RESOURCE_EXHAUSTED") return error;
    }
    return undefined;
  }

  #pump(): void {
    while (!this.#alone) {
      const task = this.#waiting[0];
      if (task === undefined) return;
      const needsAlone = this.#changesVote(task) || task.snapshot !== undefined || this.#cuts(task);
      if (needsAlone && this.#syncing.length > 0) return;
      this.#waiting.shift();
      if (needsAlone) this.#ranAlone = this.#runAlone(task);
      else this.#appendAndSync(task);
    }
  }

  #changesVote({ hardState }: StorageAppend): boolean {
    if (hardState === undefined) return false;
    const { term, vote } = this.#hard.wanted;
    return hardState.term !== term || hardState.vote !== vote;
  }

  #cuts({ entries }: StorageAppend): boolean {
    const [first] = entries;
    return first !== undefined && first.index <= this.#log.lastIndex && !this.#isThere(first);
  }

  /** Entries with the same index and term are the same entry. */
  #isThere({ index, term }: { readonly index: number; readonly term: number }): boolean {
    const { lastIndex, lastTerm } = this.#log;
    return index <= lastIndex && index >= this.#lastRunFrom && term === lastTerm;
  }

  #appendAndSync(task: StorageAppend): void {
    const { entries, responses } = task;
    // A newer commit index alone is written down with the next entries.
    if (entries.length === 0 && responses.length === 0) return;
    const life = this.#life;
    const syncing: Syncing = { task, isDurable: false };
    this.#syncing.push(syncing);
    try {
      this.#appendAll(task);
      const synced =
        entries.length > 0 || this.#syncing.length > 1 ? this.#log.sync() : Promise.resolve();
      synced.then(
        () => {
          syncing.isDurable = true;
          if (life === this.#life) this.#tellDurable();
        },
        (error: unknown) => {
          if (life === this.#life) this.#fail(error);
        },
      );
    } catch (error) {
      this.#fail(error);
    }
  }

  /** A later sync may have been answered before an earlier one, which covers less. */
  #tellDurable(): void {
    const life = this.#life;
    for (let head = this.#syncing[0]; head?.isDurable === true; head = this.#syncing[0]) {
      this.#syncing.shift();
      this.#parts.onDurable(head.task);
      if (life !== this.#life) return;
    }
    this.#pump();
  }

  async #runAlone(task: StorageAppend): Promise<void> {
    const life = this.#life;
    this.#alone = true;
    try {
      const { hardState, snapshot, entries } = task;
      if (hardState !== undefined && this.#changesVote(task)) {
        const { term, vote } = hardState;
        await this.#hard.save({ term, vote });
      }
      if (snapshot !== undefined) await this.#install(snapshot.data as PrefixMarker);
      const [first] = entries;
      if (first !== undefined && this.#cuts(task)) {
        await this.#log.truncateBack(first.index);
        this.#lastRunFrom = first.index;
      }
      if (life !== this.#life) return;
      this.#appendAll(task);
      await this.#log.sync();
    } catch (error) {
      if (life === this.#life) this.#fail(error);
      return;
    }
    if (life !== this.#life) return;
    this.#alone = false;
    this.#parts.onDurable(task);
    if (life === this.#life) this.#pump();
  }

  async #install(marker: PrefixMarker): Promise<void> {
    await this.#hard.idle();
    await this.#parts.quiesce();
    await this.#log.reset(marker);
    this.#hard.reload();
    this.#lastRunFrom = marker.firstIndex;
  }

  #appendAll({ entries }: StorageAppend): void {
    for (const entry of entries) {
      if (this.#isThere(entry)) continue;
      const shape = toLog(entry);
      assert(shape !== undefined, "an entry has its place before it is persisted");
      this.#append(shape);
    }
  }

  #append(entry: LogEntry): void {
    if (entry.baseOffset !== this.#log.nextOffset) {
      // The terms agree and the offsets do not: one of two logs is wrong, and nobody can tell which.
      const message = `entry ${entry.index} begins at offset ${entry.baseOffset}, not at ${this.#log.nextOffset}`;
      throw new ProglogError("DATA_LOSS", message);
    }
    if (entry.term !== this.#log.lastTerm) this.#lastRunFrom = entry.index;
    this.#log.append(entry);
  }

  #fail(caught: unknown): void {
    const error = caught instanceof ProglogError ? caught : undefined;
    if (error === undefined) throw caught;
    if (error.code !== "RESOURCE_EXHAUSTED") this.#failed = true;
    this.restart();
    this.#parts.onFailed(error);
  }
}
