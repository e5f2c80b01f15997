import { join } from "node:path";
import { assert, limits, ProglogError } from "../base/index.ts";
import type { Disk, DiskFile } from "./disk.ts";
import type { FilePool } from "./file-pool.ts";
import { Indexes } from "./indexes.ts";
import { OffsetIndex } from "./offset-index.ts";
import { cursorAfter, scanSegment } from "./scan.ts";
import type { Cursor, DamagedRange, ScanOptions, ScanResult } from "./scan.ts";
import { decodeSide } from "./side.ts";
import type { Side, SideHead } from "./side.ts";
import { TimeIndex } from "./time-index.ts";

export type SegmentExtension = "log" | "index" | "time" | "side";

/** The path of one of a segment's files: named by its first index, in 20 digits. */
export function segmentPath(
  directory: string,
  firstIndex: number,
  extension: SegmentExtension,
): string {
  return join(directory, `${String(firstIndex).padStart(20, "0")}.${extension}`);
}

export interface SegmentParts {
  readonly disk: Disk;
  readonly files: FilePool;
  readonly directory: string;
  readonly head: SideHead;
  readonly sizeBytes: number;
  /** After its last entry. */
  readonly end: Cursor;
}

/**
 * A run of the log in one file, with its indexes: the store and the index of the book. Invariants:
 * its first entry has `firstIndex` and the head's next offset; `sizeBytes` never counts bytes that
 * were not written completely; only the last segment of a log grows.
 */
export class Segment {
  readonly head: SideHead;
  readonly directory: string;
  readonly #disk: Disk;
  readonly #files: FilePool;
  #sizeBytes: number;
  #end: Cursor;
  #indexes: Indexes | undefined;
  #loading: Promise<Indexes> | undefined;
  #damage: readonly DamagedRange[] = [];
  /** Raised at each cut. */
  #life = 0;

  constructor(parts: SegmentParts) {
    this.head = parts.head;
    this.directory = parts.directory;
    this.#disk = parts.disk;
    this.#files = parts.files;
    this.#sizeBytes = parts.sizeBytes;
    this.#end = parts.end;
  }

  get firstIndex(): number {
    return this.head.firstIndex;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get start(): Cursor {
    return startOf(this.head);
  }

  get end(): Cursor {
    return this.#end;
  }

  /** Damage that has been found so far. */
  get damage(): readonly DamagedRange[] {
    return this.#damage;
  }

  noteDamage(damage: readonly DamagedRange[]): void {
    this.#damage = damage;
  }

  /** The indexes if they are in memory. */
  get loadedIndexes(): Indexes | undefined {
    return this.#indexes;
  }

  path(extension: SegmentExtension): string {
    return segmentPath(this.directory, this.firstIndex, extension);
  }

  /** Takes over what has been written after the end. */
  grow(sizeBytes: number, end: Cursor): void {
    assert(sizeBytes >= this.#sizeBytes && end.index >= this.#end.index, "a segment only grows");
    this.#sizeBytes = sizeBytes;
    this.#end = end;
  }

  /** Takes over that the file was cut. */
  shrink(sizeBytes: number, end: Cursor): void {
    this.#life++;
    this.#sizeBytes = sizeBytes;
    this.#end = end;
    this.#damage = this.#damage.filter(({ position }) => position < sizeBytes);
    this.#indexes?.cut(sizeBytes, end.offset);
  }

  useIndexes(indexes: Indexes): void {
    this.#indexes = indexes;
  }

  dropIndexes(): void {
    this.#indexes = undefined;
  }

  /** The indexes: from memory, from their files, or rebuilt from the segment. */
  indexes(): Promise<Indexes> {
    if (this.#indexes !== undefined) return Promise.resolve(this.#indexes);
    this.#loading ??= this.#load().finally(() => (this.#loading = undefined));
    return this.#loading;
  }

  /**
   * Makes the indexes anew from the segment itself. What is written meanwhile is noted in the old ones,
   * so the walk goes on until it has seen all; a segment that was cut meanwhile is walked again.
   */
  async rebuildIndexes(): Promise<Indexes> {
    for (;;) {
      const life = this.#life;
      const rebuilt = await this.#walkForIndexes(life);
      if (life !== this.#life) continue;
      this.#damage = rebuilt.damage;
      this.#indexes = rebuilt.indexes;
      return rebuilt.indexes;
    }
  }

  async #walkForIndexes(
    life: number,
  ): Promise<{ readonly indexes: Indexes; readonly damage: readonly DamagedRange[] }> {
    const indexes = new Indexes(this.head.previousTerm);
    const damage: DamagedRange[] = [];
    let position = 0;
    let cursor = this.start;
    do {
      const result = await this.scan({
        position,
        cursor,
        onEntry: (entry, at) => {
          indexes.note(entry, at);
          return undefined;
        },
      });
      damage.push(...result.damage);
      position = result.endPosition;
      cursor = result.cursor;
    } while (life === this.#life && position < this.#sizeBytes && cursor.index < this.#end.index);
    return { indexes, damage };
  }

  /** Walks the frames from the segment's start, or from the place given. */
  scan(options: Partial<ScanOptions>): Promise<ScanResult> {
    const { sizeBytes, end } = this;
    return this.withFile((file) =>
      scanSegment({
        file,
        sizeBytes,
        salt: this.head.salt,
        position: 0,
        cursor: this.start,
        durable: { index: end.index - 1, term: end.term, nextOffset: end.offset },
        ...options,
      }),
    );
  }

  /**
   * Where the frame of an entry begins, and the place before it. A damaged range has a place for its
   * first entry only; for those behind it, and for what was never there, throws `DATA_LOSS`.
   */
  async placeBefore(
    index: number,
  ): Promise<{ readonly position: number; readonly before: Cursor }> {
    let position: number | undefined;
    let before = this.start;
    await this.scan({
      onEntry: (entry, at) => {
        if (position !== undefined) return true;
        if (entry.index === index) position = at;
        else before = cursorAfter(entry);
        return position !== undefined;
      },
      onDamage: (range) => {
        if (range.fromIndex !== index || range.toIndex < index) return;
        position ??= range.position;
        before = { ...before, index, offset: range.fromOffset };
      },
    });
    if (position === undefined) {
      throw new ProglogError("DATA_LOSS", `entry ${index} cannot be found in ${this.path("log")}`);
    }
    return { position, before };
  }

  withFile<T>(work: (file: DiskFile) => Promise<T>): Promise<T> {
    return this.#files.use(this.path("log"), work);
  }

  /** The whole `.side`; undefined when it is damaged. */
  async readSide(): Promise<Side | undefined> {
    const bytes = await readWhole(this.#disk, this.path("side"));
    return bytes === undefined ? undefined : decodeSide(bytes);
  }

  /**
   * Writes the indexes beside a segment that has ended. They are caches with a checksum, so they are
   * not synced, and a failure to write them costs time at the next use, not data.
   */
  async writeIndexes(): Promise<void> {
    const { offsets, times } = await this.indexes();
    await this.#writeCache("index", offsets.encode(this.#sizeBytes));
    await this.#writeCache("time", times.encode(this.#sizeBytes));
  }

  /**
   * Removes the files, the entries first, and what belongs to them once `gone` has made that durable. What
   * is left over is swept at the next start; entries without what was true before them would be worse.
   */
  async remove(gone: () => Promise<void>): Promise<void> {
    await unlinkIfThere(this.#disk, this.path("log"));
    await gone();
    for (const extension of ["index", "time", "side"] as const) {
      await unlinkIfThere(this.#disk, this.path(extension));
    }
    await this.#files.forget(this.path("log"));
  }

  async #load(): Promise<Indexes> {
    const [offsetBytes, timeBytes] = await Promise.all([
      readWhole(this.#disk, this.path("index")),
      readWhole(this.#disk, this.path("time")),
    ]);
    const { previousTerm } = this.head;
    const offsets = offsetBytes && OffsetIndex.decode(offsetBytes, previousTerm, this.#sizeBytes);
    const times = timeBytes && TimeIndex.decode(timeBytes, this.#sizeBytes);
    if (offsets === undefined || times === undefined) return this.rebuildIndexes();
    this.#indexes = new Indexes(previousTerm, { offsets, times });
    return this.#indexes;
  }

  async #writeCache(extension: "index" | "time", bytes: Uint8Array): Promise<void> {
    try {
      const file = await this.#disk.open(this.path(extension), "replace");
      try {
        await file.write(bytes, 0);
      } finally {
        await file.close();
      }
    } catch {
      await unlinkIfThere(this.#disk, this.path(extension)).catch(() => undefined);
    }
  }
}

export function startOf(head: SideHead): Cursor {
  return {
    index: head.firstIndex,
    offset: head.nextOffset,
    term: head.previousTerm,
    appendedAt: head.appendedAt,
  };
}

/** A small file's bytes; undefined when there is no such file, or it is larger than any of ours. */
export async function readWhole(disk: Disk, path: string): Promise<Uint8Array | undefined> {
  let file: DiskFile;
  try {
    file = await disk.open(path, "read");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    const size = await file.size();
    if (size > limits.sideFileBytesMax) return undefined;
    const bytes = new Uint8Array(size);
    const read = await file.read(bytes, 0);
    return bytes.subarray(0, read);
  } finally {
    await file.close();
  }
}

export async function unlinkIfThere(disk: Disk, path: string): Promise<void> {
  try {
    await disk.unlink(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}
