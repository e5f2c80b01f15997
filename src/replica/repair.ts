import { AssertionError, limits, ProglogError } from "../base/index.ts";
import type { Clock, Observer } from "../base/index.ts";
import type { Entry } from "../log/index.ts";
import type { ReplicaId } from "../raft/index.ts";
import { checkReceived } from "./entries.ts";
import type { FetchedEntries, FetchEntries, PeerMessage, Peers } from "./ports.ts";
import type { ReplicaLog } from "./replica-log.ts";

export interface RepairParts {
  readonly log: ReplicaLog;
  readonly name: string;
  readonly replicaId: ReplicaId;
  readonly peers: Peers;
  readonly clock: Clock;
  readonly observer: Observer;
  readonly commitIndex: () => number;
  /** Who may have what is missing, the leader first. */
  readonly sources: () => readonly ReplicaId[];
  /** Whether nothing is being appended; nobody appends while this says that it is mending. */
  readonly isIdle: () => boolean;
  /** All that can be mended is mended. */
  readonly onMended: () => void;
  readonly onFailed: (error: ProglogError) => void;
}

interface Asked {
  readonly request: number;
  readonly resolve: (entries: readonly Entry[]) => void;
}

/**
 * Makes a log whole again with what other replicas have. A damaged segment is rebuilt beside itself
 * from entries that another replica has committed; until that is done, and only if the damage lies in
 * the segment that is written to, nothing is appended, because the state that goes with the log
 * (producers, configuration) is not known there.
 */
export class Repair {
  readonly #parts: RepairParts;
  #asked: Asked | undefined;
  #requests = 0;
  #cancel: (() => void) | undefined;
  #closed = false;
  #mending: Promise<void> | undefined;
  /** Turns to another source each time one has not helped; from 0 again after one has. */
  #turns = 0;

  constructor(parts: RepairParts) {
    this.#parts = parts;
  }

  /** Whether appends have to wait: what lies below the commit index of the active segment is damaged. */
  get holdsAppends(): boolean {
    const { log, commitIndex } = this.#parts;
    return log.tailDamage.some(({ fromIndex }) => fromIndex <= commitIndex());
  }

  /** Whether something is damaged that was committed. */
  isNeeded(): boolean {
    return this.#mayMend(this.#parts.log, this.#parts.commitIndex());
  }

  /** Whether others may still give back what is damaged: not all of them were asked twice in vain. */
  get isHopeful(): boolean {
    const { length } = this.#parts.sources();
    return this.#turns < length * 2;
  }

  /** Looks now and then whether there is something to mend. */
  start(): void {
    if (this.#closed || this.#cancel !== undefined) return;
    this.#cancel = this.#parts.clock.after(limits.repairRetryMs, () => {
      this.#cancel = undefined;
      this.#mending = this.#pass().finally(() => {
        this.#mending = undefined;
        this.start();
      });
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel?.();
    this.#asked?.resolve([]);
    await this.#mending;
  }

  take(message: PeerMessage): void {
    if (message.kind === "fetchEntries") void this.#answer(message);
    else if (message.kind === "fetchedEntries") this.#received(message);
  }

  async #pass(): Promise<void> {
    const { log, isIdle, commitIndex, observer, onMended, onFailed } = this.#parts;
    if (!this.isNeeded() || this.#parts.sources().length === 0) return;
    if (this.holdsAppends && !isIdle()) return;
    const source = (from: number, to: number): Promise<readonly Entry[]> => this.#fetch(from, to);
    try {
      await log.mend(source, commitIndex());
      this.#turns = 0;
      observer.count("log_segments_mended_total");
      observer.log("info", "replica.segment-mended");
      if (!this.isNeeded()) onMended();
    } catch (caught) {
      if (caught instanceof AssertionError) throw caught;
      // Also a segment that a cut, or a marker, has taken away meanwhile: there is nothing to mend then.
      const error = ProglogError.from(caught);
      this.#turns++;
      if (error.code === "STORAGE_FAILED") onFailed(error);
      else observer.log("warn", "replica.repair-failed", { reason: error.message });
    }
  }

  /** What is damaged above the commit index is not mended: the leader's entries take its place. */
  #mayMend(log: ReplicaLog, commitIndex: number): boolean {
    const [first] = log.damage;
    return first !== undefined && first.fromIndex <= commitIndex;
  }

  #fetch(fromIndex: number, toIndex: number): Promise<readonly Entry[]> {
    const { peers, name: log, replicaId: from, sources, clock } = this.#parts;
    const all = sources();
    const to = all[this.#turns % Math.max(all.length, 1)];
    if (to === undefined || this.#closed) return Promise.resolve([]);
    const request = ++this.#requests;
    return new Promise((resolve) => {
      const cancel = clock.after(limits.repairTimeoutMs, () => {
        this.#asked = undefined;
        resolve([]);
      });
      this.#asked = {
        request,
        resolve: (entries) => {
          cancel();
          this.#asked = undefined;
          resolve(entries);
        },
      };
      peers.send({ kind: "fetchEntries", log, from, to, request, fromIndex, toIndex });
    });
  }

  #received({ request, entries }: FetchedEntries): void {
    if (this.#asked?.request !== request) return;
    try {
      checkReceived(entries, undefined);
      this.#asked.resolve(entries);
    } catch (error) {
      if (!(error instanceof ProglogError)) throw error;
      this.#asked.resolve([]);
    }
  }

  /** Only what is committed, and read, and so checked, once more. */
  async #answer({ from: to, to: from, request, fromIndex, toIndex }: FetchEntries): Promise<void> {
    const { log, name, peers, commitIndex } = this.#parts;
    const last = Math.min(toIndex, commitIndex());
    let entries: readonly Entry[] = [];
    if (fromIndex >= log.firstIndex && fromIndex <= last) {
      const options = { maxBytes: limits.raftMessageBytesMax, toIndex: last };
      entries = await log.readEntries(fromIndex, options).catch((error: unknown) => {
        if (error instanceof ProglogError) return [];
        throw error;
      });
    }
    if (this.#closed) return;
    peers.send({ kind: "fetchedEntries", log: name, from, to, request, entries });
  }
}
