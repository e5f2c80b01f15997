import { assert, limits, ProglogError } from "../base/index.ts";
import { Appender } from "./appender.ts";
import type { Control } from "./control.ts";
import { lastConfiguration } from "./configurations.ts";
import { lastLogStart } from "./last-log-start.ts";
import type { ConfigurationAt } from "./configurations.ts";
import { forgetFront } from "./cut.ts";
import { directoryError } from "./directory-error.ts";
import { durably, isDiskError, isDiskFull } from "./durably.ts";
import type { Entry } from "./entry-type.ts";
import { ENTRY_HEADER_BYTES } from "./entry.ts";
import { FilePool } from "./file-pool.ts";
import { Indexes } from "./indexes.ts";
import { installMarker } from "./install.ts";
import type { LogStart } from "./log-start.ts";
import { resolveLogOptions } from "./options.ts";
import type { LogOptions, ResolvedLogOptions } from "./options.ts";
import { Reader } from "./reader.ts";
import type { ReadBatchesOptions, ReadEntriesOptions } from "./reader.ts";
import { Rebuild } from "./rebuild.ts";
import type { EntrySource } from "./rebuild.ts";
import { replay } from "./replay.ts";
import { recover } from "./recovery.ts";
import type { Recovered } from "./recovery.ts";
import { isLoss, unreadable } from "./losses.ts";
import { reportRecovery } from "./report-recovery.ts";
import { dropCountMax, planRetention } from "./retention.ts";
import type { Cursor, DamagedRange } from "./scan.ts";
import { Scrub } from "./scrub.ts";
import { newSalt, writeSide } from "./segment-files.ts";
import { SegmentList } from "./segment-list.ts";
import { Segment, segmentPath, startOf } from "./segment.ts";
import { markerOf } from "./side.ts";
import type { PrefixMarker, Side } from "./side.ts";
import { SpaceGuard } from "./space.ts";
import type { HardState, StateFile } from "./state-file.ts";
import { TailCache } from "./tail-cache.ts";
import { termRunsOf } from "./term-runs.ts";
import type { TermRun } from "./term-runs.ts";

/** What opening the log found: told once, for the operator. */
export type RecoveryReport = Pick<
  Recovered,
  "tornBytes" | "tailLost" | "damage" | "stateLost" | "clean"
>;

/**
 * One log on one disk, in the coordinates of Raft (entries by index) and of its readers (records by
 * offset). Whoever writes to it gives whole entries; it frames, checks, groups, syncs, indexes,
 * recovers and forgets them.
 *
 * Invariants: indexes and offsets are dense; what `sync` has resolved for survives any crash; what
 * was durable is never cut by recovery; nothing at or above a reader's limit is ever read.
 */
export class Log implements AsyncDisposable {
  readonly #options: ResolvedLogOptions;
  readonly #files: FilePool;
  readonly #stateFile: StateFile;
  readonly #segments: SegmentList;
  readonly #tail: TailCache;
  readonly #appender: Appender;
  readonly #reader: Reader;
  readonly #space: SpaceGuard;
  readonly #scrub: Scrub;
  #start: LogStart;
  #mending: Segment | undefined;
  #closing: Promise<void> | undefined;
  readonly recovery: RecoveryReport;

  private constructor(options: ResolvedLogOptions, files: FilePool, found: Recovered) {
    this.#options = options;
    this.#files = files;
    this.#stateFile = found.stateFile;
    this.#segments = new SegmentList(found.segments, limits.indexCacheBytesMax);
    this.#segments.usedIndexes(this.#segments.active);
    this.#tail = new TailCache(options.tailCacheBytesMax);
    this.#reader = new Reader(this.#segments, this.#tail);
    this.#space = new SpaceGuard(options);
    this.#scrub = new Scrub(options, this.#segments);
    this.#start = found.control.logStart;
    this.recovery = found;
    this.#appender = new Appender({
      ...found,
      options,
      files,
      segments: this.#segments,
      tail: this.#tail,
      replay: () => replay(this.#segments.active, options.state),
    });
  }

  /**
   * Opens the log in a directory, or makes one there. Throws `UNSUPPORTED_FORMAT` for what another
   * version wrote, `DATA_LOSS` when a segment is missing, `STORAGE_FAILED` or `CONFIGURATION` when the
   * disk refuses.
   */
  static async open(options: LogOptions): Promise<Log> {
    const resolved = resolveLogOptions(options);
    const files = new FilePool(resolved.disk, limits.openSegmentsMax);
    const found = await recover({ options: resolved, files }).catch(async (error: unknown) => {
      await files.close();
      throw isDiskError(error) ? directoryError(options.directory, error) : error;
    });
    const log = new Log(resolved, files, found);
    reportRecovery(resolved.observer, found);
    await log.#space.refresh();
    log.#scrub.start();
    return log;
  }

  /** The first index that is still there. */
  get firstIndex(): number {
    return this.#segments.first.firstIndex;
  }
  /** The last index appended, durable or not; `firstIndex − 1` when there is none. */
  get lastIndex(): number {
    return this.#appender.appended.index - 1;
  }
  get lastTerm(): number {
    return this.#appender.appended.term;
  }
  get lastAppendedAt(): number {
    return this.#appender.appended.appendedAt;
  }
  /** The offset that the next record gets. */
  get nextOffset(): number {
    return this.#appender.appended.offset;
  }
  /** The first offset that can be read. */
  get lowestOffset(): number {
    return Math.max(this.#start.offset, this.#segments.first.head.nextOffset);
  }
  /** The last index that `sync` vouches for. */
  get syncedIndex(): number {
    return this.#appender.written.index - 1;
  }
  /** One past the last offset that `sync` vouches for. */
  get syncedOffset(): number {
    return this.#appender.written.offset;
  }
  /** The highest commit index that was known when it was last written down. */
  get commitIndex(): number {
    return this.#appender.commitIndex;
  }
  get control(): Control {
    return this.#appender.control;
  }
  get hardState(): HardState {
    return this.#stateFile.hard;
  }
  /** Bytes of all segments. */
  get sizeBytes(): number {
    return this.#segments.all.reduce((sum, segment) => sum + segment.sizeBytes, 0);
  }
  get segmentCount(): number {
    return this.#segments.all.length;
  }
  get failure(): ProglogError | undefined {
    return this.#appender.failure;
  }

  /** Resolves once term, vote and configuration are durable. */
  async saveHardState(state: Omit<HardState, "installing">): Promise<void> {
    try {
      await durably(this.#stateFile.saveHard({ ...state, installing: 0 }));
    } catch (error) {
      throw this.#appender.fail("writing raft.state failed", error);
    }
  }

  /**
   * Takes the next entry, without waiting. Its index must be the next one, its base offset
   * `nextOffset`. Durable only when a later `sync` resolves.
   */
  append(entry: Entry): void {
    this.#appender.append(entry);
    this.#space.take(ENTRY_HEADER_BYTES + entry.payload.length);
  }

  /**
   * Resolves when everything appended before the call is durable. Rejects with `RESOURCE_EXHAUSTED`
   * when the disk was full and everything not durable was taken back, with `STORAGE_FAILED` when a
   * write or a sync failed and the log is dead.
   */
  sync(): Promise<void> {
    return this.#appender.sync();
  }

  /** Everything up to `index` is committed; told on in the next fence. */
  setCommitIndex(index: number): void {
    this.#appender.setCommitIndex(index);
  }

  /** Free space when it was last asked for, and how much of it is kept in reserve. */
  get space(): { readonly freeBytes: number; readonly reserveBytes: number } {
    return this.#space;
  }

  /** Why nothing new should be appended now (`RESOURCE_EXHAUSTED`), or undefined. */
  admission(): ProglogError | undefined {
    return this.#space.admission();
  }

  /** Batches from memory, or undefined when the disk would have to be asked. */
  readCached(offset: number, options: ReadBatchesOptions): Uint8Array[] | undefined {
    return this.#reader.cached(offset, options);
  }

  /**
   * Whole batches of records in [offset, limitOffset); the first may begin before. Rejects with
   * `OFFSET_OUT_OF_RANGE` below the lowest offset, `DATA_LOSS` where the disk lost what it had.
   */
  async readBatches(offset: number, options: ReadBatchesOptions): Promise<Uint8Array[]> {
    return this.#retried(offset, () => this.#reader.batches(offset, options));
  }

  /** The entry that holds the record at an offset; undefined past the end. */
  async entryAt(offset: number): Promise<Entry | undefined> {
    return this.#retried(offset, () => this.#reader.entryAt(offset));
  }

  /** Entries from an index on, as far as they were written. */
  async readEntries(fromIndex: number, options: ReadEntriesOptions): Promise<Entry[]> {
    return this.#retried(this.lowestOffset, () => this.#reader.entries(fromIndex, options));
  }

  /** The first offset of the first batch appended at or after a time; undefined when there is none. */
  async offsetAtTime(timestampMs: number): Promise<number | undefined> {
    const found = await this.#reader.offsetAtTime(timestampMs);
    return found === undefined ? undefined : Math.max(found, this.lowestOffset);
  }

  /** The term of an entry; undefined when the log does not reach there. */
  termAt(index: number): Promise<number | undefined> {
    return this.#reader.termAt(index);
  }

  /** The terms of the whole log, oldest first, from that of the entry before the first. */
  termRuns(): Promise<TermRun[]> {
    return termRunsOf(this.#segments);
  }

  /** The last configuration that an entry in (`afterIndex`, `upToIndex`] set. */
  lastConfiguration(afterIndex: number, upToIndex: number): Promise<ConfigurationAt | undefined> {
    return lastConfiguration(this.#segments, afterIndex, upToIndex);
  }

  /**
   * Begins where the log began by the entries up to `commitIndex`. Opening takes them all into account,
   * also those that may yet be cut: records that they would let go of are there until they are committed.
   */
  async startAsOf(commitIndex: number): Promise<void> {
    if (commitIndex >= this.lastIndex) return;
    this.#start = (await lastLogStart(this.#segments, commitIndex)) ?? this.#start;
  }

  /** What was true just before the first entry; undefined when the disk does not tell it any more. */
  async prefixMarker(): Promise<PrefixMarker | undefined> {
    const side = await this.#segments.first.readSide();
    return side && markerOf(side);
  }

  /** Damage that has been found and not been mended, oldest first. */
  get damage(): readonly DamagedRange[] {
    return this.#segments.all.flatMap(({ damage }) => damage.filter((range) => isLoss(range)));
  }

  /** The same, of the segment that is written to: what it lost, the side state lacks. */
  get tailDamage(): readonly DamagedRange[] {
    return this.#segments.active.damage.filter((range) => isLoss(range));
  }

  /**
   * Mends the oldest damaged segment with entries of another replica; false when there is none. In
   * the last segment, what is damaged above `keepIndex` is cut off instead, with all that follows.
   * Throws `DATA_LOSS` when what came does not fit, and whatever the source throws; then all is as
   * it was. Nobody may append while the last segment is being mended.
   */
  async mend(source: EntrySource, keepIndex: number): Promise<boolean> {
    const segment = this.#segments.all.find(({ damage }) => damage.some(isLoss));
    if (segment === undefined) return false;
    this.#mending = segment;
    return this.#mend(segment, source, keepIndex).finally(() => (this.#mending = undefined));
  }

  async #mend(segment: Segment, source: EntrySource, keepIndex: number): Promise<boolean> {
    const sealed = segment !== this.#segments.active;
    const keep = sealed ? Number.MAX_SAFE_INTEGER : keepIndex;
    const { disk } = this.#options;
    const rebuild = await Rebuild.prepare(disk, segment, { sealed, source, keepIndex: keep });
    if (sealed) {
      await rebuild.finish();
      await this.#files.forget(segment.path("log"));
      await segment.rebuildIndexes();
      return true;
    }
    await this.#appender.exclusively(async () => {
      if (rebuild.cut !== undefined) await this.#lowerMark(segment, rebuild.cut);
      const { endPosition, cursor } = await rebuild.finish();
      await this.#files.forget(segment.path("log"));
      segment.shrink(endPosition, cursor);
      await segment.rebuildIndexes();
      this.#tail.clear();
      await this.#appender.restart(await disk.open(segment.path("log"), "write"));
    });
    return true;
  }

  /** Where the log should begin by its retention; undefined when nothing is to go. */
  planRetention(timestampMs: number, commitIndex: number = this.commitIndex): LogStart | undefined {
    return planRetention(this.#segments.all, this.control.logStart, { timestampMs, commitIndex });
  }

  /** The log start that makes `offset` the lowest one, for an entry of type `logStart`. */
  logStartAt(offset: number): LogStart {
    const segment = this.#segments.forOffset(offset) ?? this.#segments.first;
    const { logStart } = this.control;
    // Segments of another leader begin elsewhere, and what it let go may be gone already.
    return { ...logStart, index: Math.max(segment.firstIndex, logStart.index), offset };
  }

  /**
   * Carries out a log start that is durable and committed: hides what is below, and removes segments
   * that lie wholly below, a tenth of them at a time. Resolves to how many are left to remove.
   */
  async startAt(start: LogStart): Promise<number> {
    this.#start = start.offset >= this.#start.offset ? start : this.#start;
    const all = this.#segments.all.slice(0, -1);
    const below = all.filter((segment) => segment.end.index <= this.#start.index).length;
    // What goes is gone for good, and so must the reason for it be.
    if (below > 0 && !this.#options.fsync) await durably(this.#appender.file.sync());
    // One that is being mended stays until it is whole; what is left goes in a later pass.
    const busy = this.#mending === undefined ? -1 : all.indexOf(this.#mending);
    const free = busy < 0 ? below : Math.min(below, busy);
    const gone = this.#segments.takeFront(Math.min(free, dropCountMax(all.length + 1)));
    for (const segment of gone) await this.#removeSegment(segment);
    return below - gone.length;
  }

  /** Removes every entry from `fromIndex` on; what was committed must never be among them. */
  async truncateBack(fromIndex: number): Promise<void> {
    assert(fromIndex > this.commitIndex, "what is committed is never cut");
    assert(fromIndex >= this.firstIndex, "a cut lies inside the log");
    await this.#appender.exclusively(async () => {
      if (fromIndex <= this.lastIndex) await this.#cut(fromIndex);
    });
  }

  /** Replaces everything by a prefix marker; the log goes on after it. */
  async reset(marker: PrefixMarker): Promise<void> {
    await this.#appender.exclusively(async () => {
      const { disk, directory, random } = this.#options;
      const side = { ...marker, salt: newSalt(random), previousFirstIndex: 0, previousBytes: 0 };
      await installMarker(this.#options, this.#stateFile, side);
      const parts = { disk, files: this.#files, directory, head: side, sizeBytes: 0 };
      const segment = new Segment({ ...parts, end: startOf(side) });
      segment.useIndexes(new Indexes(side.previousTerm));
      for (const old of this.#segments.replaceAll(segment))
        await this.#files.forget(old.path("log"));
      this.#segments.usedIndexes(segment);
      this.#tail.clear();
      if (marker.logStart.offset > this.#start.offset) this.#start = marker.logStart;
      await this.#appender.restart(await disk.open(segment.path("log"), "write"));
    });
  }

  /** Reads every frame of the log and tells where it is damaged. */
  async verify(signal?: AbortSignal): Promise<Map<string, readonly DamagedRange[]>> {
    const damaged = new Map<string, readonly DamagedRange[]>();
    for (const segment of [...this.#segments.all]) {
      const { damage } = await segment.scan({ signal });
      segment.noteDamage(damage);
      if (damage.length > 0) damaged.set(segment.path("log"), damage);
    }
    return damaged;
  }

  /**
   * Writes what waits, then all that the next start needs to open without reading the log. Closing
   * twice is closing once.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    await this.#scrub.close();
    await this.#appender.close();
    try {
      if (this.#appender.failure?.code === "CLOSED") await this.#writeClosingState();
    } finally {
      await this.#files.close();
      await this.#stateFile.close();
    }
  }

  async #writeClosingState(): Promise<void> {
    if (this.#stateFile.mark?.clean === true) return;
    try {
      await this.#writeClean();
    } catch (error) {
      // Without it the next start reads the last segment; nothing is lost.
      if (!isDiskFull(error)) throw error;
      this.#options.observer.log("warn", "log.disk-full");
    }
  }

  async #writeClean(): Promise<void> {
    const { disk, directory } = this.#options;
    const { active } = this.#segments;
    const { end } = active;
    await active.writeIndexes();
    if (end.index > active.firstIndex) {
      const side: Side = {
        ...active.head,
        ...this.control,
        firstIndex: end.index,
        previousTerm: end.term,
        nextOffset: end.offset,
        appendedAt: end.appendedAt,
        commitIndex: this.commitIndex,
        previousFirstIndex: active.firstIndex,
        previousBytes: active.sizeBytes,
        state: this.#options.state.encode(),
      };
      await writeSide(disk, segmentPath(directory, end.index, "side"), side);
      await durably(disk.syncDirectory(directory));
    }
    await durably(this.#stateFile.saveMark(this.#appender.markAt(active.sizeBytes, true)));
  }

  async #cut(fromIndex: number): Promise<void> {
    const { disk } = this.#options;
    const segment = this.#segments.forIndex(fromIndex) as Segment;
    const { position, before } = await segment.placeBefore(fromIndex);
    await forgetFront(this.#options, this.#segments.first);
    if (!this.#options.fsync) await durably(this.#appender.file.sync());
    await this.#lowerMark(segment, before, position, true);
    const gone = this.#segments.takeAfter(segment).reverse();
    for (const later of gone) await this.#removeSegment(later);
    const file =
      gone.length === 0 ? this.#appender.file : await disk.open(segment.path("log"), "write");
    await file.truncate(position);
    await durably(file.sync());
    // Before anything is appended there: what follows an unfinished cut is taken off at a start.
    await this.#lowerMark(segment, before, position);
    await segment.indexes();
    segment.shrink(position, before);
    this.#tail.cut(fromIndex);
    await this.#appender.restart(file);
    const { logStart } = this.control;
    // The start that was in force when the log was opened may be among what is cut.
    if (logStart.offset < this.#start.offset) this.#start = logStart;
  }

  /** Before a cut: a mark above the end of the log would mean damage. */
  #lowerMark(segment: Segment, end: Cursor, segmentBytes = 0, cutting = false): Promise<void> {
    const { index, term, offset: nextOffset } = end;
    const { firstIndex } = segment;
    const mark = { index: index - 1, term, nextOffset, segment: firstIndex, segmentBytes };
    return durably(this.#stateFile.lowerMark({ ...mark, clean: false, cutting }));
  }

  /** Durably, before the next one goes: a power cut may not take them out of order, or there is a gap. */
  #removeSegment(segment: Segment): Promise<void> {
    const { disk, directory } = this.#options;
    return segment.remove(() => durably(disk.syncDirectory(directory)));
  }

  /** One retry: a file may have gone by retention, and a failed read may succeed the second time. */
  async #retried<T>(offset: number, read: () => Promise<T>): Promise<T> {
    this.#refuseBelow(offset);
    try {
      return await read();
    } catch (error) {
      if (error instanceof ProglogError) throw error;
      this.#refuseBelow(offset);
      try {
        return await read();
      } catch (again) {
        throw again instanceof ProglogError ? again : unreadable(again);
      }
    }
  }

  #refuseBelow(offset: number): void {
    if (offset >= this.lowestOffset) return;
    throw new ProglogError(
      "OFFSET_OUT_OF_RANGE",
      `The requested offset is outside of the log: ${offset}`,
      { details: { offset: String(offset), lowest: String(this.lowestOffset) } },
    );
  }
}
