import { assert, Deque, limits, ProglogError } from "../base/index.ts";
import type { Control, SideState } from "./control.ts";
import { controlAfter } from "./control.ts";
import type { DiskFile } from "./disk.ts";
import { durably, isDiskFull } from "./durably.ts";
import type { Entry } from "./entry-type.ts";
import { assertEntry, FENCE_BYTES, frameBytes, writeEntry, writeFence } from "./entry.ts";
import type { FilePool } from "./file-pool.ts";
import type { ResolvedLogOptions } from "./options.ts";
import { cursorAfter } from "./scan.ts";
import type { Cursor } from "./scan.ts";
import { createSegment } from "./segment-files.ts";
import type { SegmentList } from "./segment-list.ts";
import type { Side } from "./side.ts";
import type { StateFile, SyncedMark } from "./state-file.ts";
import type { TailCache } from "./tail-cache.ts";

/** The side state as it was when a segment was full: the next one begins with it. */
interface Roll {
  readonly roll: Omit<Side, "previousFirstIndex" | "previousBytes" | "salt">;
}

interface Waiter {
  readonly index: number;
  readonly resolve: () => void;
  readonly reject: (error: ProglogError) => void;
}

export interface AppenderParts {
  readonly options: ResolvedLogOptions;
  readonly segments: SegmentList;
  readonly files: FilePool;
  readonly stateFile: StateFile;
  readonly tail: TailCache;
  readonly control: Control;
  readonly end: Cursor;
  readonly commitIndex: number;
  /** The active segment's file, open for writing. */
  readonly file: DiskFile;
  /** Puts back the side and control state as of the end of the active segment. */
  readonly replay: () => Promise<Control>;
}

/**
 * The one writer of a log: takes entries as they come and writes them in groups.
 *
 * Each group is one write and one sync, and begins with a fence that says what was durable before
 * it. Entries that arrive while a group is being synced share the next: that is the whole of group
 * commit. When a segment is full, the state of that moment is kept with the entries that wait, and
 * the next segment is made when its turn comes, after everything before it is durable.
 *
 * Invariants: writes never overlap; a group is written only after the one before it was synced
 * (unless fsync is relaxed); `written` never passes what the file holds; after a failure nothing is
 * ever acknowledged.
 */
export class Appender {
  readonly #options: ResolvedLogOptions;
  readonly #segments: SegmentList;
  readonly #files: FilePool;
  readonly #stateFile: StateFile;
  readonly #tail: TailCache;
  readonly #state: SideState;
  readonly #replay: () => Promise<Control>;

  #control: Control;
  /** After the last entry taken; after the last written; after the last known to be durable. */
  #appended: Cursor;
  #written: Cursor;
  #durable: Cursor;
  #commitIndex: number;

  #file: DiskFile;
  readonly #queue = new Deque<Entry | Roll>();
  /** Of the segment that the next entry goes to, once all that waits is written. */
  #plannedFirstIndex: number;
  #plannedBytes: number;
  #waiters: Waiter[] = [];
  #buffer = Buffer.allocUnsafeSlow(limits.groupBufferBytesInitial);

  #running: Promise<void> | undefined;
  #exclusive = false;
  #takingBack = false;
  #failure: ProglogError | undefined;
  #fenceWanted = false;
  /** Entries were written since the last fence. */
  #unfenced = false;
  #cancelFence: (() => void) | undefined;
  #fenceDelayMs: number;
  #markedAt: number;

  constructor(parts: AppenderParts) {
    this.#options = parts.options;
    this.#segments = parts.segments;
    this.#files = parts.files;
    this.#stateFile = parts.stateFile;
    this.#tail = parts.tail;
    this.#state = parts.options.state;
    this.#replay = parts.replay;
    this.#control = parts.control;
    this.#appended = this.#written = this.#durable = parts.end;
    this.#commitIndex = parts.commitIndex;
    this.#file = parts.file;
    this.#fenceDelayMs = parts.options.idleFenceMs;
    this.#plannedFirstIndex = parts.segments.active.firstIndex;
    this.#plannedBytes = parts.segments.active.sizeBytes;
    this.#markedAt = parts.options.clock.monotonic();
  }

  get control(): Control {
    return this.#control;
  }
  get appended(): Cursor {
    return this.#appended;
  }
  get written(): Cursor {
    return this.#written;
  }
  get commitIndex(): number {
    return this.#commitIndex;
  }
  get failure(): ProglogError | undefined {
    return this.#failure;
  }

  setCommitIndex(index: number): void {
    assert(index < this.#appended.index, "nothing is committed that was not appended");
    this.#commitIndex = Math.max(this.#commitIndex, index);
  }

  append(entry: Entry): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#takingBack) throw diskFull();
    assert(!this.#exclusive, "nobody appends while the log is being cut");
    assertEntry(entry);
    assert(entry.index === this.#appended.index, "entries are appended in the order of indexes");
    assert(entry.baseOffset === this.#appended.offset, "offsets are dense");
    assert(entry.term >= this.#appended.term, "terms never go back");
    const bytes = frameBytes(entry.payload.length);
    this.#rollWhenFull(bytes);
    this.#queue.push(entry);
    this.#plannedBytes += bytes;
    this.#control = controlAfter(this.#control, entry);
    this.#state.apply(entry);
    this.#appended = cursorAfter(entry);
  }

  sync(): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const index = this.#appended.index - 1;
    if (index < this.#written.index) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiters.push({ index, resolve, reject });
      this.#kick();
    });
  }

  /** Runs alone, after everything that waits has been written; nobody may append meanwhile. */
  async exclusively<T>(work: () => Promise<T>): Promise<T> {
    await this.#settle();
    if (this.#failure !== undefined) throw this.#failure;
    assert(!this.#exclusive, "one cut at a time");
    this.#exclusive = true;
    this.#cancelFence?.();
    try {
      return await work();
    } catch (error) {
      throw this.fail("a cut of the log failed", error);
    } finally {
      this.#exclusive = false;
      this.#scheduleFence();
    }
  }

  /** After a cut: goes on from the end of the active segment. */
  async restart(file: DiskFile): Promise<void> {
    if (file !== this.#file) {
      await this.#file.close();
      this.#file = file;
    }
    const { active } = this.#segments;
    this.#control = await this.#replay();
    this.#appended = this.#written = this.#durable = active.end;
    this.#commitIndex = Math.min(this.#commitIndex, active.end.index - 1);
    this.#plannedFirstIndex = active.firstIndex;
    this.#plannedBytes = active.sizeBytes;
  }

  /** The synced mark as of now. */
  markAt(segmentBytes: number, clean: boolean): SyncedMark {
    return {
      index: this.#durable.index - 1,
      term: this.#durable.term,
      nextOffset: this.#durable.offset,
      segment: this.#segments.active.firstIndex,
      segmentBytes,
      clean,
      cutting: false,
    };
  }

  get file(): DiskFile {
    return this.#file;
  }

  /** Writes what waits and a last fence; afterwards the file is closed and everything durable. */
  async close(): Promise<void> {
    this.#cancelFence?.();
    await this.#settle();
    if (this.#failure === undefined && this.#unfenced) {
      this.#fenceWanted = true;
      this.#kick();
      await this.#settle();
    }
    this.#cancelFence?.();
    this.#failure ??= new ProglogError("CLOSED", "the log is closed");
    await this.#file.close();
  }

  /** Ends all acknowledging: a write or sync failed, and what the page cache shows may be a lie. */
  fail(what: string, cause: unknown): ProglogError {
    if (this.#failure !== undefined) return this.#failure;
    const reason = cause instanceof Error ? cause.message : String(cause);
    const error = new ProglogError("STORAGE_FAILED", `${what}: ${reason}`, { cause });
    this.#failure = error;
    this.#options.observer.log("error", "log.storage-failed", { what, reason });
    this.#rejectWaiters(error);
    this.#options.onFailure(error);
    return error;
  }

  #rollWhenFull(bytes: number): void {
    if (this.#plannedBytes + bytes <= this.#options.segmentBytesMax) return;
    // Two segments of the same first index would have the same files.
    if (this.#appended.index === this.#plannedFirstIndex) return;
    this.#plannedFirstIndex = this.#appended.index;
    this.#plannedBytes = 0;
    this.#queue.push({
      roll: {
        ...this.#control,
        firstIndex: this.#appended.index,
        previousTerm: this.#appended.term,
        nextOffset: this.#appended.offset,
        appendedAt: this.#appended.appendedAt,
        commitIndex: this.#commitIndex,
        state: this.#state.encode(),
      },
    });
  }

  /** Until everything taken is written. */
  async #settle(): Promise<void> {
    if (this.#failure === undefined && this.#hasWork()) this.#kick();
    while (this.#running !== undefined) await this.#running;
  }

  #kick(): void {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      if (this.#failure === undefined && this.#hasWork()) this.#kick();
    });
  }

  #hasWork(): boolean {
    return this.#queue.length > 0 || this.#fenceWanted;
  }

  async #run(): Promise<void> {
    this.#cancelFence?.();
    try {
      while (this.#failure === undefined && this.#hasWork()) {
        const next = this.#queue.peek();
        if (next === undefined) await this.#writeIdleFence();
        else if ("roll" in next) await this.#roll(next);
        else await this.#writeGroup(this.#takeGroup());
        this.#answerWaiters();
      }
    } catch (error) {
      await this.#failedWrite(error);
    }
    this.#scheduleFence();
  }

  #takeGroup(): Entry[] {
    const group: Entry[] = [];
    let bytes = 0;
    for (let next = this.#queue.peek(); next !== undefined; next = this.#queue.peek()) {
      if ("roll" in next) break;
      const frame = frameBytes(next.payload.length);
      if (group.length > 0 && bytes + frame > limits.groupWriteBytesMax) break;
      group.push(next);
      bytes += frame;
      this.#queue.shift();
    }
    return group;
  }

  async #writeGroup(group: readonly Entry[]): Promise<void> {
    await this.#clearClean();
    const { active } = this.#segments;
    const start = active.sizeBytes;
    let bytes = FENCE_BYTES;
    for (const entry of group) bytes += frameBytes(entry.payload.length);
    const buffer = this.#bufferOf(bytes);
    let at = this.#putFence(buffer, active.head.salt);
    const positions: number[] = [];
    for (const entry of group) {
      positions.push(start + at);
      at = writeEntry(buffer, at, entry);
    }
    await this.#file.write(buffer.subarray(0, at), start);
    if (this.#options.fsync) await this.#sync();
    this.#options.observer.measure("log_group_entries", group.length);
    this.#options.observer.count("log_written_bytes_total", at);
    this.#took(group, positions, start + at);
    await this.#keepMark();
  }

  /** The group is in the file: readers may see it, and the next fence vouches for it. */
  #took(group: readonly Entry[], positions: readonly number[], sizeBytes: number): void {
    const { active } = this.#segments;
    const end = cursorAfter(group[group.length - 1] as Entry);
    for (const [i, entry] of group.entries()) {
      active.loadedIndexes?.note(entry, positions[i] as number);
      this.#tail.add(entry);
    }
    active.grow(sizeBytes, end);
    this.#written = end;
    if (this.#options.fsync) this.#durable = end;
    this.#unfenced = true;
    this.#plannedBytes += FENCE_BYTES;
  }

  #putFence(buffer: Uint8Array, salt: Uint8Array): number {
    const fence = {
      index: this.#durable.index - 1,
      term: this.#durable.term,
      nextOffset: this.#written.offset,
      appendedAt: this.#written.appendedAt,
      unsynced: this.#written.index - this.#durable.index,
      commitIndex: Math.min(this.#commitIndex, this.#written.index - 1),
    };
    return writeFence(buffer, 0, fence, salt);
  }

  async #writeIdleFence(): Promise<void> {
    this.#fenceWanted = false;
    if (!this.#unfenced) return;
    const { active } = this.#segments;
    if (!this.#options.fsync) await this.#syncRelaxed();
    const end = this.#putFence(this.#bufferOf(FENCE_BYTES), active.head.salt);
    try {
      await this.#file.write(this.#buffer.subarray(0, end), active.sizeBytes);
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      await this.#file.truncate(active.sizeBytes);
      this.#fenceDelayMs = limits.freeBytesCheckIntervalMs;
      return;
    }
    this.#fenceDelayMs = this.#options.idleFenceMs;
    await this.#sync();
    this.#options.observer.count("log_written_bytes_total", end);
    active.grow(active.sizeBytes + end, active.end);
    this.#plannedBytes += FENCE_BYTES;
    this.#unfenced = false;
    await this.#saveMark();
  }

  async #syncRelaxed(): Promise<void> {
    const end = this.#written;
    await this.#sync();
    this.#durable = end;
  }

  async #sync(): Promise<void> {
    const { clock, observer } = this.#options;
    const startedAt = clock.monotonic();
    await durably(this.#file.sync());
    observer.measure("log_fsync_duration_seconds", (clock.monotonic() - startedAt) / 1_000);
  }

  #scheduleFence(): void {
    if (this.#failure !== undefined || !this.#unfenced || this.#exclusive) return;
    this.#cancelFence = this.#options.clock.after(this.#fenceDelayMs, () => {
      this.#fenceWanted = true;
      this.#kick();
    });
  }

  /** The first write after a clean stop first takes back the word "clean". */
  async #clearClean(): Promise<void> {
    const { mark } = this.#stateFile;
    if (mark?.clean === true) await durably(this.#stateFile.saveMark({ ...mark, clean: false }));
  }

  async #keepMark(): Promise<void> {
    const now = this.#options.clock.monotonic();
    if (now - this.#markedAt < limits.syncedMarkIntervalMs) return;
    if (!this.#options.fsync) await this.#syncRelaxed();
    await this.#saveMark();
  }

  async #saveMark(): Promise<void> {
    this.#markedAt = this.#options.clock.monotonic();
    const { active } = this.#segments;
    const mark = this.markAt(active.sizeBytes, false);
    await durably(this.#stateFile.saveMark(mark));
  }

  async #roll({ roll }: Roll): Promise<void> {
    if (!this.#options.fsync) await this.#syncRelaxed();
    const ended = this.#segments.active;
    const place = { ...this.#options, files: this.#files };
    const { segment, file } = await createSegment(place, {
      ...roll,
      previousFirstIndex: ended.firstIndex,
      previousBytes: ended.sizeBytes,
    });
    this.#queue.shift();
    await ended.writeIndexes();
    this.#segments.push(segment);
    this.#segments.usedIndexes(ended);
    this.#segments.usedIndexes(segment);
    await this.#file.close();
    this.#file = file;
    await this.#saveMark();
  }

  #bufferOf(bytes: number): Buffer {
    if (this.#buffer.length < bytes) this.#buffer = Buffer.allocUnsafeSlow(bytes);
    return this.#buffer;
  }

  #answerWaiters(): void {
    const waiters = this.#waiters;
    let answered = 0;
    while (answered < waiters.length && (waiters[answered] as Waiter).index < this.#written.index) {
      (waiters[answered] as Waiter).resolve();
      answered++;
    }
    if (answered > 0) this.#waiters = waiters.slice(answered);
  }

  #rejectWaiters(error: ProglogError): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter.reject(error);
  }

  /** A full disk is survived by taking everything back that was not written; nothing else is. */
  async #failedWrite(error: unknown): Promise<void> {
    if (!isDiskFull(error)) {
      this.fail("writing to the log failed", error);
      return;
    }
    this.#takingBack = true;
    try {
      await this.#file.truncate(this.#segments.active.sizeBytes);
      // What is said not to be in the log may not come back after a power cut.
      await durably(this.#file.sync());
      this.#queue.clear();
      await this.restart(this.#file);
    } catch (failed) {
      this.fail("taking back a write that did not fit failed", failed);
      return;
    } finally {
      this.#takingBack = false;
    }
    this.#options.observer.log("warn", "log.disk-full");
    this.#rejectWaiters(diskFull(error));
  }
}

function diskFull(cause?: unknown): ProglogError {
  const message = "the disk is full; nothing was appended";
  return new ProglogError("RESOURCE_EXHAUSTED", message, { cause, notAppended: true });
}
