import { limits, ProglogError } from "../base/index.ts";
import type { Clock } from "../base/index.ts";
import type { ReadIndexResult, ReadState } from "../raft/index.ts";
import { abortError } from "./checks.ts";

export interface ReadRoundsParts {
  readonly clock: Clock;
  /** Begins a round among the replicas. */
  readonly begin: () => ReadIndexResult;
  readonly appliedIndex: () => number;
  /** A turn of the loop, in which `start` is called. */
  readonly wake: () => void;
  /** A round that had no answer for so long is begun anew. */
  readonly roundMs: number;
}

interface Reader {
  readonly since: number;
  readonly signal: AbortSignal | undefined;
  readonly resolve: () => void;
  readonly reject: (error: ProglogError) => void;
}

interface Round {
  readonly begunAt: number;
  readonly readers: Reader[];
}

/**
 * Reads that must see everything committed before they came (thesis 6.4). All that arrive before a
 * turn share a round; a round has an id of its own, and one that gets no answer is begun anew under
 * another, so that a late answer to the first cannot confirm the second.
 */
export class ReadRounds {
  readonly #parts: ReadRoundsParts;
  #arrived: Reader[] = [];
  readonly #rounds = new Map<number, Round>();
  /** Confirmed, and waiting until this replica has come so far. */
  #confirmed: { readonly index: number; readonly readers: Reader[] }[] = [];
  #cancelSweep: (() => void) | undefined;

  constructor(parts: ReadRoundsParts) {
    this.#parts = parts;
  }

  /** Resolves once this replica has applied what was committed before the call. */
  barrier(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#arrived.push({ since: this.#parts.clock.monotonic(), signal, resolve, reject });
      this.#sweepLater();
      this.#parts.wake();
    });
  }

  /** Once a turn: begins a round for those that have come. */
  start(): void {
    if (this.#arrived.length === 0) return;
    const result = this.#parts.begin();
    if (result.kind === "refused") return;
    this.#rounds.set(result.readId, {
      begunAt: this.#parts.clock.monotonic(),
      readers: this.#arrived,
    });
    this.#arrived = [];
  }

  answered({ readId, index }: ReadState): void {
    const round = this.#rounds.get(readId);
    if (round === undefined) return;
    this.#rounds.delete(readId);
    this.#confirmed.push({ index, readers: round.readers });
    this.applied();
  }

  /** Lets go of those whose state is here now. */
  applied(): void {
    if (this.#confirmed.length === 0) return;
    const index = this.#parts.appliedIndex();
    for (const confirmed of this.#confirmed) {
      if (confirmed.index <= index) for (const { resolve } of confirmed.readers) resolve();
    }
    this.#confirmed = this.#confirmed.filter((confirmed) => confirmed.index > index);
  }

  fail(error: ProglogError): void {
    const readers = [
      ...this.#arrived,
      ...[...this.#rounds.values()].flatMap((round) => round.readers),
      ...this.#confirmed.flatMap((confirmed) => confirmed.readers),
    ];
    this.#arrived = [];
    this.#rounds.clear();
    this.#confirmed = [];
    this.#cancelSweep?.();
    this.#cancelSweep = undefined;
    for (const { reject } of readers) reject(error);
  }

  #sweepLater(): void {
    this.#cancelSweep ??= this.#parts.clock.after(this.#parts.roundMs, () => {
      this.#cancelSweep = undefined;
      this.#sweep();
    });
  }

  #sweep(): void {
    const now = this.#parts.clock.monotonic();
    for (const [readId, round] of this.#rounds) {
      if (now - round.begunAt < this.#parts.roundMs) continue;
      this.#rounds.delete(readId);
      this.#arrived.push(...round.readers);
    }
    this.#arrived = this.#arrived.filter((reader) => this.#stays(reader, now));
    for (const { readers } of this.#confirmed) {
      readers.splice(0, readers.length, ...readers.filter((reader) => this.#stays(reader, now)));
    }
    this.#confirmed = this.#confirmed.filter(({ readers }) => readers.length > 0);
    const waiting = this.#arrived.length + this.#rounds.size + this.#confirmed.length;
    if (waiting === 0) return;
    this.#sweepLater();
    if (this.#arrived.length > 0) this.#parts.wake();
  }

  #stays({ since, signal, reject }: Reader, now: number): boolean {
    if (signal?.aborted === true) reject(abortError(signal));
    else if (now - since >= limits.readIndexTimeoutMs) reject(nobodyConfirms());
    else return true;
    return false;
  }
}

function nobodyConfirms(): ProglogError {
  const message = "no leader could be asked for the newest state of the log";
  return new ProglogError("UNAVAILABLE", message);
}
