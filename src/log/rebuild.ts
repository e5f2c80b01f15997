import { assert, limits, ProglogError } from "../base/index.ts";
import type { Disk, DiskFile } from "./disk.ts";
import { durably } from "./durably.ts";
import type { Entry } from "./entry-type.ts";
import { FENCE_BYTES, frameBytes, writeEntry, writeFence } from "./entry.ts";
import { cursorAfter, scanSegment } from "./scan.ts";
import type { Cursor, DamagedRange, ScanResult } from "./scan.ts";
import { unlinkIfThere } from "./segment.ts";
import type { Segment } from "./segment.ts";

/** Entries from another replica: at least `fromIndex`, at most to `toIndex`; none when it has none. */
export type EntrySource = (fromIndex: number, toIndex: number) => Promise<readonly Entry[]>;

interface Gap {
  readonly range: DamagedRange;
  readonly before: Cursor;
}

/**
 * A damaged segment made anew beside itself: what is good is copied, what is lost comes from another
 * replica, and nothing takes the segment's place before all of it was written, synced and read again.
 *
 * A sealed segment keeps its length, which the next one's `.side` tells: the bytes of a lost range
 * were the frames of its entries and some fences, so entries and as many fences fill it exactly.
 */
export class Rebuild {
  readonly #disk: Disk;
  readonly #segment: Segment;
  readonly #sealed: boolean;
  readonly #file: DiskFile;
  #written = 0;
  /** How far the old file has been taken over. */
  #taken = 0;
  #cut: Cursor | undefined;

  private constructor(disk: Disk, segment: Segment, sealed: boolean, file: DiskFile) {
    this.#disk = disk;
    this.#segment = segment;
    this.#sealed = sealed;
    this.#file = file;
  }

  /**
   * Fills every damaged range of the segment; `DATA_LOSS` when what comes does not fit, and what the
   * source throws. Entries after `keepIndex` are dropped from the first damaged one on.
   */
  static async prepare(
    disk: Disk,
    segment: Segment,
    options: { readonly sealed: boolean; readonly source: EntrySource; readonly keepIndex: number },
  ): Promise<Rebuild> {
    const gaps = await findGaps(segment);
    const file = await disk.open(temporaryPath(segment), "replace");
    const rebuild = new Rebuild(disk, segment, options.sealed, file);
    try {
      for (const gap of gaps) {
        if (rebuild.#cut !== undefined) break;
        await rebuild.#copyTo(gap.range.position);
        await rebuild.#fill(gap, options.source, options.keepIndex);
      }
      return rebuild;
    } catch (error) {
      await rebuild.drop();
      throw error;
    }
  }

  /** Where the segment ends if it had to be cut. */
  get cut(): Cursor | undefined {
    return this.#cut;
  }

  /** Takes over the rest, and puts the new file in the old one's place; durable when it resolves. */
  async finish(): Promise<ScanResult> {
    try {
      return await this.#finish();
    } catch (error) {
      await this.drop();
      throw error;
    }
  }

  async #finish(): Promise<ScanResult> {
    if (this.#cut === undefined) await this.#copyTo(this.#segment.sizeBytes);
    await durably(this.#file.sync());
    const result = await this.#check();
    await this.#file.close();
    await this.#disk.rename(temporaryPath(this.#segment), this.#segment.path("log"));
    await durably(this.#disk.syncDirectory(this.#segment.directory));
    return result;
  }

  async drop(): Promise<void> {
    await this.#file.close();
    await unlinkIfThere(this.#disk, temporaryPath(this.#segment));
  }

  async #copyTo(position: number): Promise<void> {
    await this.#segment.withFile(async (old) => {
      while (this.#taken < position) {
        const bytes = new Uint8Array(Math.min(limits.scanChunkBytes, position - this.#taken));
        const read = await old.read(bytes, this.#taken);
        if (read === 0) throw lost(this.#segment, "it is shorter than it was");
        await this.#put(bytes.subarray(0, read));
        this.#taken += read;
      }
    });
  }

  async #put(bytes: Uint8Array): Promise<void> {
    await this.#file.write(bytes, this.#written);
    this.#written += bytes.length;
  }

  async #fill({ range, before }: Gap, source: EntrySource, keepIndex: number): Promise<void> {
    const start = this.#written;
    const last = Math.min(range.toIndex, keepIndex);
    let cursor: Cursor = before;
    while (cursor.index <= last) {
      const entries = await source(cursor.index, last);
      if (entries.length === 0) throw lost(this.#segment, "nobody has what is missing");
      for (const entry of entries) {
        if (!follows(entry, cursor)) throw lost(this.#segment, "what came does not continue it");
        const frame = new Uint8Array(frameBytes(entry.payload.length));
        writeEntry(frame, 0, entry);
        await this.#put(frame);
        cursor = cursorAfter(entry);
      }
    }
    const whole = last === range.toIndex;
    if (whole && cursor.offset !== range.toOffset) {
      throw lost(this.#segment, "what came does not lead to what follows");
    }
    if (!whole) this.#cut = cursor;
    const room = range.endPosition - range.position - (this.#written - start);
    await this.#pad(whole, room, cursor);
    this.#taken = range.endPosition;
  }

  /** Fences up to where the next good frame was; one, where the length is nobody's concern. */
  async #pad(whole: boolean, room: number, cursor: Cursor): Promise<void> {
    const fits = room >= 0 && room % FENCE_BYTES === 0;
    if (this.#sealed && !fits) throw lost(this.#segment, "what came has another length");
    const fences = whole && fits ? room / FENCE_BYTES : 1;
    const { index, term, offset: nextOffset, appendedAt } = cursor;
    const fence = { index: index - 1, term, nextOffset, appendedAt, unsynced: 0, commitIndex: 0 };
    const bytes = new Uint8Array(FENCE_BYTES);
    writeFence(bytes, 0, fence, this.#segment.head.salt);
    for (let i = 0; i < fences; i++) await this.#put(bytes);
  }

  /** Reads the new file as a start would: no damage, and it ends where its neighbour begins. */
  async #check(): Promise<ScanResult> {
    const { head, start, end } = this.#segment;
    const file = await this.#disk.open(temporaryPath(this.#segment), "read");
    try {
      const sizeBytes = this.#written;
      const result = await scanSegment({
        file,
        sizeBytes,
        salt: head.salt,
        position: 0,
        cursor: start,
      });
      const { cursor } = result;
      const wanted = this.#cut ?? end;
      const ends = cursor.index === wanted.index && cursor.offset === wanted.offset;
      if (
        result.damage.length > 0 ||
        result.tornBytes > 0 ||
        !ends ||
        cursor.term !== wanted.term
      ) {
        throw lost(this.#segment, "the copy is not whole");
      }
      assert(
        !this.#sealed || sizeBytes === this.#segment.sizeBytes,
        "sealed segments keep their length",
      );
      return result;
    } finally {
      await file.close();
    }
  }
}

async function findGaps(segment: Segment): Promise<Gap[]> {
  const gaps: Gap[] = [];
  let cursor = segment.start;
  await segment.scan({
    onEntry: (entry) => {
      cursor = cursorAfter(entry);
      return undefined;
    },
    onDamage: (range) => {
      const { fromIndex: index, fromOffset: offset } = range;
      gaps.push({ range, before: { ...cursor, index, offset } });
    },
  });
  return gaps;
}

function follows(entry: Entry, cursor: Cursor): boolean {
  return (
    entry.index === cursor.index && entry.baseOffset === cursor.offset && entry.term >= cursor.term
  );
}

function temporaryPath(segment: Segment): string {
  return `${segment.path("log")}.tmp`;
}

function lost(segment: Segment, why: string): ProglogError {
  const file = segment.path("log");
  return new ProglogError("DATA_LOSS", `${file} could not be mended: ${why}`, {
    details: { file },
  });
}
