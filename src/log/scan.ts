import type { Entry } from "./entry-type.ts";
import {
  BAD_FRAME,
  claimedFrameBytes,
  FENCE_BYTES,
  FENCE_SALT_AT,
  frameBaseOffset,
  frameIndex,
  frameIsIntact,
  frameTerm,
  isFence,
  readEntry,
  readFence,
} from "./entry.ts";
import type { Fence } from "./entry.ts";
import type { DiskFile } from "./disk.ts";
import { FileWindow } from "./file-window.ts";
import type { Hole } from "./unreadable.ts";

/** A place between two entries. */
export interface Cursor {
  /** The index and base offset that the next entry must have. */
  readonly index: number;
  readonly offset: number;
  /** Of the entry before. */
  readonly term: number;
  readonly appendedAt: number;
}

/** The place after an entry. */
export function cursorAfter(entry: Entry): Cursor {
  return {
    index: entry.index + 1,
    offset: entry.baseOffset + entry.recordCount,
    term: entry.term,
    appendedAt: entry.appendedAt,
  };
}

/** Entries that were durable and are not readable any more. */
export interface DamagedRange {
  readonly fromIndex: number;
  /** The last index lost; `fromIndex − 1` when no entry was lost with the bytes. */
  readonly toIndex: number;
  readonly fromOffset: number;
  /** One past the last offset lost. */
  readonly toOffset: number;
  /** In the segment's file, in bytes. */
  readonly position: number;
  readonly endPosition: number;
  /** When only a fence was damaged: what it must have said. Writing it again mends the segment. */
  readonly fence?: Fence;
}

export interface ScanOptions {
  readonly file: DiskFile;
  /** Bytes of the file that belong to the segment. */
  readonly sizeBytes: number;
  readonly salt: Uint8Array;
  /** Where to begin, and what is expected there. */
  readonly position: number;
  readonly cursor: Cursor;
  /** What is known from elsewhere to have been durable in this segment: where it must reach. */
  readonly durable?: { readonly index: number; readonly term: number; readonly nextOffset: number };
  /** Called for each good entry in order; the payload is a view. Returning `true` ends the scan. */
  readonly onEntry?: (entry: Entry, position: number, frameBytes: number) => boolean | undefined;
  readonly onFence?: (fence: Fence, position: number) => void;
  readonly onDamage?: (range: DamagedRange) => void;
  /** Asked before more of the file is loaded: `true` ends the scan. */
  readonly enough?: () => boolean;
  /** How much of the file to load at once. */
  readonly chunkBytes?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface ScanResult {
  /** After the last good frame taken, or after the damage that reaches to the end. */
  readonly endPosition: number;
  readonly cursor: Cursor;
  /** Bytes after `endPosition` that were never known to be durable: a torn write. */
  readonly tornBytes: number;
  readonly damage: readonly DamagedRange[];
  /** Where the last good frame ends the disk gives back no bytes: what they held is not known. */
  readonly unreadableTail: Hole | undefined;
  /** The last fence that vouches for everything before its position. */
  readonly lastFencePosition: number;
  readonly commitIndex: number;
}

/**
 * Walks a segment's frames in order and tells apart two things that look alike: a torn tail, whose
 * bytes were never acknowledged, and damage, whose bytes were.
 *
 * After a bad frame the walk goes on only at a fence that carries the segment's salt, because a
 * client's payload can look like a frame but cannot know the salt. A fence that names entries which
 * were not seen proves that they were durable: they are damaged, never cut. Without such a fence, and
 * unless `durable` says otherwise, the rest is a torn tail.
 */
export async function scanSegment(options: ScanOptions): Promise<ScanResult> {
  return new Scan(options).run();
}

class Scan {
  readonly #options: ScanOptions;
  readonly #window: FileWindow;
  readonly #salt: Buffer;
  readonly #damage: DamagedRange[] = [];
  #position: number;
  #cursor: Cursor;
  #lastFencePosition = 0;
  #commitIndex = 0;
  #stopped = false;

  constructor(options: ScanOptions) {
    this.#options = options;
    this.#window = new FileWindow(options.file, options.sizeBytes, options.chunkBytes);
    this.#salt = Buffer.from(options.salt);
    this.#position = options.position;
    this.#cursor = options.cursor;
  }

  async run(): Promise<ScanResult> {
    const { sizeBytes, signal } = this.#options;
    while (this.#position < sizeBytes && !this.#stopped) {
      signal?.throwIfAborted();
      if (await this.#step()) this.#stopped ||= this.#options.enough?.() ?? false;
      else if (!(await this.#skipDamagedFence()) && !(await this.#resynchronise())) break;
    }
    const { lastHole } = this.#window;
    const unreadableTail =
      lastHole !== undefined && lastHole.endPosition > this.#position ? lastHole : undefined;
    if (!this.#stopped) this.#loseWhatWasDurable();
    return {
      unreadableTail,
      endPosition: this.#position,
      cursor: this.#cursor,
      tornBytes: sizeBytes - this.#position,
      damage: this.#damage,
      lastFencePosition: this.#lastFencePosition,
      commitIndex: this.#commitIndex,
    };
  }

  /** Takes the frames that are in the window, as far as they are good; false at a bad frame. */
  async #step(): Promise<boolean> {
    if (!(await this.#window.load(this.#position, 4))) return false;
    const claimed = claimedFrameBytes(this.#window.bytes, this.#window.at(this.#position));
    if (claimed === BAD_FRAME || !(await this.#window.load(this.#position, claimed))) return false;
    if (!this.#takeFrame(claimed)) return false;
    while (!this.#stopped && this.#window.has(this.#position, 4)) {
      const next = claimedFrameBytes(this.#window.bytes, this.#window.at(this.#position));
      if (next === BAD_FRAME || !this.#window.has(this.#position, next)) break;
      if (!this.#takeFrame(next)) break;
    }
    return true;
  }

  #takeFrame(total: number): boolean {
    const { bytes } = this.#window;
    const at = this.#window.at(this.#position);
    if (!frameIsIntact(bytes, at, total)) return false;
    if (isFence(bytes, at, total)) return this.#takeFence(bytes, at);
    const { index, offset, term } = this.#cursor;
    const follows =
      frameIndex(bytes, at) === index &&
      frameBaseOffset(bytes, at) === offset &&
      frameTerm(bytes, at) >= term;
    if (!follows) return false;
    const entry = readEntry(bytes, at, total);
    this.#stopped = this.#options.onEntry?.(entry, this.#position, total) ?? false;
    this.#cursor = cursorAfter(entry);
    this.#position += total;
    return true;
  }

  #takeFence(bytes: Buffer, at: number): boolean {
    if (bytes.compare(this.#salt, 0, 8, at + FENCE_SALT_AT, at + FENCE_BYTES) !== 0) return false;
    const fence = readFence(bytes, at);
    const before = fence.index + fence.unsynced;
    if (before >= this.#cursor.index) this.#lose(fence, this.#position);
    else if (before < this.#cursor.index - 1) return false;
    this.#passFence(fence);
    return true;
  }

  #passFence(fence: Fence): void {
    if (fence.unsynced === 0) this.#lastFencePosition = this.#position;
    this.#commitIndex = Math.max(this.#commitIndex, fence.commitIndex);
    this.#options.onFence?.(fence, this.#position);
    this.#position += FENCE_BYTES;
  }

  /** Everything from the cursor to the fence was durable and is gone; the walk goes on at the fence. */
  #lose(fence: Fence, endPosition: number): void {
    this.#report({
      fromIndex: this.#cursor.index,
      toIndex: fence.index + fence.unsynced,
      fromOffset: this.#cursor.offset,
      toOffset: fence.nextOffset,
      position: this.#position,
      endPosition,
    });
    this.#cursor = {
      index: fence.index + fence.unsynced + 1,
      offset: fence.nextOffset,
      term: fence.term,
      appendedAt: fence.appendedAt,
    };
    this.#position = endPosition;
  }

  #report(range: DamagedRange): void {
    this.#damage.push(range);
    this.#options.onDamage?.(range);
  }

  /**
   * A damaged fence loses no entry: it is passed over when the salt is in its place, or when the
   * frame is whole but for the salt. What follows is checked like anything else.
   */
  async #skipDamagedFence(): Promise<boolean> {
    if (!(await this.#window.load(this.#position, FENCE_BYTES))) return false;
    const at = this.#window.at(this.#position);
    const frame = Buffer.from(this.#window.bytes.subarray(at, at + FENCE_BYTES));
    const hasSalt = frame.compare(this.#salt, 0, 8, FENCE_SALT_AT, FENCE_BYTES) === 0;
    frame.set(this.#salt, FENCE_SALT_AT);
    const wholeButForSalt =
      !hasSalt && isFence(frame, 0, FENCE_BYTES) && frameIsIntact(frame, 0, FENCE_BYTES);
    if (!hasSalt && !wholeButForSalt) return false;
    // Half a fence and the beginning of a whole one can look like a damaged fence too.
    if (!(await this.#isIntactAt(this.#position + FENCE_BYTES))) return false;
    this.#report({
      fromIndex: this.#cursor.index,
      toIndex: this.#cursor.index - 1,
      fromOffset: this.#cursor.offset,
      toOffset: this.#cursor.offset,
      position: this.#position,
      endPosition: this.#position + FENCE_BYTES,
      fence: this.#fenceHere(),
    });
    this.#position += FENCE_BYTES;
    return true;
  }

  async #isIntactAt(position: number): Promise<boolean> {
    if (position === this.#options.sizeBytes) return true;
    if (!(await this.#window.load(position, 4))) return false;
    const claimed = claimedFrameBytes(this.#window.bytes, this.#window.at(position));
    if (claimed === BAD_FRAME || !(await this.#window.load(position, claimed))) return false;
    return frameIsIntact(this.#window.bytes, this.#window.at(position), claimed);
  }

  #fenceHere(): Fence {
    const { index, term, offset, appendedAt } = this.#cursor;
    return {
      index: index - 1,
      term,
      nextOffset: offset,
      appendedAt,
      unsynced: 0,
      commitIndex: this.#commitIndex,
    };
  }

  /** Finds the next fence that proves the bytes before it durable, and goes on there. */
  async #resynchronise(): Promise<boolean> {
    let from = this.#position;
    while (await this.#window.load(from, FENCE_BYTES)) {
      this.#options.signal?.throwIfAborted();
      const hit = this.#window.bytes.indexOf(this.#salt, this.#window.at(from) + FENCE_SALT_AT);
      const here = this.#window.at(from);
      if (hit < 0) {
        from = this.#window.end - FENCE_BYTES + 1;
        continue;
      }
      const fenceAt = hit - FENCE_SALT_AT;
      const fencePosition = from + (fenceAt - here);
      if (this.#provesDamage(fenceAt)) {
        this.#lose(readFence(this.#window.bytes, fenceAt), fencePosition);
        return true;
      }
      from = fencePosition + 1;
    }
    return false;
  }

  #provesDamage(at: number): boolean {
    const { bytes } = this.#window;
    if (claimedFrameBytes(bytes, at) !== FENCE_BYTES || !isFence(bytes, at, FENCE_BYTES)) {
      return false;
    }
    if (!frameIsIntact(bytes, at, FENCE_BYTES)) return false;
    const fence = readFence(bytes, at);
    const nothingBetween = fence.index + fence.unsynced === this.#cursor.index - 1;
    return fence.index >= this.#cursor.index || nothingBetween;
  }

  /** The segment must reach as far as `durable` says; what is missing was durable once. */
  #loseWhatWasDurable(): void {
    const { durable, sizeBytes } = this.#options;
    if (durable === undefined || durable.index < this.#cursor.index) return;
    this.#report({
      fromIndex: this.#cursor.index,
      toIndex: durable.index,
      fromOffset: this.#cursor.offset,
      toOffset: durable.nextOffset,
      position: this.#position,
      endPosition: sizeBytes,
    });
    this.#cursor = {
      index: durable.index + 1,
      offset: durable.nextOffset,
      term: durable.term,
      appendedAt: this.#cursor.appendedAt,
    };
    this.#position = sizeBytes;
  }
}
