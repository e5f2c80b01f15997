import { limits } from "../base/index.ts";
import type { CommitLog } from "./commit-log.ts";
import { inflateRun } from "./inflate.ts";
import type { Run } from "./tail-page.ts";

/** One read from the disk, for all streams that stand at the same offset. */
export class TailRead {
  readonly offset: number;
  run: Run | undefined;
  error: unknown;
  /** Those who asked and have not yet looked at the outcome. */
  readonly waiting: Set<TailReader> = new Set<TailReader>();

  constructor(offset: number) {
    this.offset = offset;
  }
}

export interface TailReader {
  /** The outcome is there; the reader calls `TailReads.take` when it has its turn. */
  onRead(): void;
}

/**
 * Reads for waiting streams that are behind what is in memory. At most `limits.tailReadsMax` at a
 * time hold memory: a read's slot is free again once all who waited for it have looked at the
 * outcome, which each of them does before it asks again, so everyone gets forward.
 */
export class TailReads {
  readonly #log: CommitLog;
  readonly #byOffset = new Map<number, TailRead>();
  readonly #queue: TailRead[] = [];
  #active = 0;

  constructor(log: CommitLog) {
    this.#log = log;
  }

  start(offset: number, reader: TailReader): TailRead {
    let read = this.#byOffset.get(offset);
    if (read === undefined) {
      read = new TailRead(offset);
      this.#byOffset.set(offset, read);
      this.#queue.push(read);
    }
    read.waiting.add(reader);
    this.#next();
    return read;
  }

  /** The reader has looked, or is gone. */
  release(read: TailRead, reader: TailReader): void {
    if (!read.waiting.delete(reader) || read.waiting.size > 0) return;
    const finished = this.#byOffset.get(read.offset) !== read;
    if (!finished) return;
    this.#active -= 1;
    this.#next();
  }

  #next(): void {
    while (this.#active < limits.tailReadsMax) {
      const read = this.#queue.shift();
      if (read === undefined) return;
      if (read.waiting.size === 0) {
        this.#byOffset.delete(read.offset);
        continue;
      }
      this.#active += 1;
      void this.#perform(read);
    }
  }

  async #perform(read: TailRead): Promise<void> {
    try {
      const batches = await this.#log.read(read.offset, limits.readChunkBytes);
      read.run = await inflateRun(batches);
    } catch (error) {
      read.error = error;
    }
    // From here on a new reader of the same offset starts a read of its own.
    this.#byOffset.delete(read.offset);
    if (read.waiting.size === 0) {
      this.#active -= 1;
      this.#next();
      return;
    }
    for (const reader of read.waiting) reader.onRead();
  }
}
