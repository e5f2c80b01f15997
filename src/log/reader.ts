import { ProglogError } from "../base/index.ts";
import { ENTRY_TYPE } from "./entry-type.ts";
import type { Entry } from "./entry-type.ts";
import type { IndexRow } from "./offset-index.ts";
import type { Cursor, DamagedRange } from "./scan.ts";
import type { SegmentList } from "./segment-list.ts";
import type { Segment } from "./segment.ts";
import type { TailCache } from "./tail-cache.ts";

export interface ReadBatchesOptions {
  /** About so many bytes, but at least one batch. */
  readonly maxBytes: number;
  /** Records at or above this offset are not read: they are not committed. */
  readonly limitOffset: number;
}

export interface ReadEntriesOptions {
  readonly maxBytes: number;
  /** The last index wanted. */
  readonly toIndex?: number;
}

/** What one walk over a segment is looking for. */
interface Search {
  /** Where the index says to begin. */
  readonly from: (segment: Segment) => Promise<IndexRow | undefined>;
  /** Takes an entry; true ends the walk. */
  readonly take: (entry: Entry) => boolean;
  readonly hasSome: () => boolean;
  /** Whether what is looked for lies in the damage. */
  readonly isLost: (range: DamagedRange) => boolean;
  readonly chunkBytes: number;
}

/** Reads the log by offset, index or time. Holds no state of its own. */
export class Reader {
  readonly #segments: SegmentList;
  readonly #tail: TailCache;

  constructor(segments: SegmentList, tail: TailCache) {
    this.#segments = segments;
    this.#tail = tail;
  }

  cached(offset: number, { maxBytes, limitOffset }: ReadBatchesOptions): Uint8Array[] | undefined {
    return this.#tail.read(offset, limitOffset, maxBytes);
  }

  /** Whole batches from the one that holds `offset` on; empty when there is none below the limit. */
  async batches(offset: number, options: ReadBatchesOptions): Promise<Uint8Array[]> {
    const { maxBytes, limitOffset } = options;
    if (offset >= limitOffset) return [];
    const cached = this.cached(offset, options);
    if (cached !== undefined) return cached;
    const batches: Uint8Array[] = [];
    let bytes = 0;
    const search: Search = {
      chunkBytes: maxBytes,
      hasSome: () => batches.length > 0,
      isLost: (range) => range.fromOffset <= offset && offset < range.toOffset,
      from: async (segment) => (await segment.indexes()).offsets.rowForOffset(offset),
      take: (entry) => {
        if (entry.type !== ENTRY_TYPE.records) return false;
        if (entry.baseOffset + entry.recordCount <= offset) return false;
        if (entry.baseOffset >= limitOffset) return true;
        if (batches.length > 0 && bytes + entry.payload.length > maxBytes) return true;
        batches.push(entry.payload);
        bytes += entry.payload.length;
        return bytes >= maxBytes;
      },
    };
    await this.#searchFrom(this.#segments.forOffset(offset), search);
    return batches;
  }

  /** Entries from `fromIndex` on, at least one if it is there; their payloads are views. */
  async entries(fromIndex: number, options: ReadEntriesOptions): Promise<Entry[]> {
    const { maxBytes, toIndex = Number.MAX_SAFE_INTEGER } = options;
    const entries: Entry[] = [];
    let bytes = 0;
    await this.#searchFrom(this.#segments.forIndex(fromIndex), {
      chunkBytes: maxBytes,
      hasSome: () => entries.length > 0,
      isLost: (range) => range.fromIndex <= fromIndex && fromIndex <= range.toIndex,
      from: async (segment) => (await segment.indexes()).offsets.rowForIndex(fromIndex),
      take: (entry) => {
        if (entry.index < fromIndex) return false;
        if (entry.index > toIndex) return true;
        if (entries.length > 0 && bytes + entry.payload.length > maxBytes) return true;
        entries.push(entry);
        bytes += entry.payload.length;
        return bytes >= maxBytes;
      },
    });
    return entries;
  }

  /** The entry that holds an offset's record. */
  async entryAt(offset: number): Promise<Entry | undefined> {
    let found: Entry | undefined;
    await this.#searchFrom(this.#segments.forOffset(offset), {
      chunkBytes: 4096,
      hasSome: () => found !== undefined,
      isLost: (range) => range.fromOffset <= offset && offset < range.toOffset,
      from: async (segment) => (await segment.indexes()).offsets.rowForOffset(offset),
      take: (entry) => {
        const end = entry.baseOffset + entry.recordCount;
        if (entry.type === ENTRY_TYPE.records && end > offset) found ??= entry;
        return found !== undefined;
      },
    });
    return found;
  }

  /** The base offset of the first batch appended at or after a time. */
  async offsetAtTime(timestampMs: number): Promise<number | undefined> {
    let found: number | undefined;
    await this.#searchFrom(this.#segments.forTime(timestampMs), {
      chunkBytes: 4096,
      hasSome: () => found !== undefined,
      isLost: () => false,
      from: async (segment) => {
        const { offsets, times } = await segment.indexes();
        const before = times.offsetBefore(timestampMs);
        return before === undefined ? undefined : offsets.rowForOffset(before);
      },
      take: (entry) => {
        if (entry.type === ENTRY_TYPE.records && entry.appendedAt >= timestampMs) {
          found ??= entry.baseOffset;
        }
        return found !== undefined;
      },
    });
    return found;
  }

  /** The term of an entry that the log holds, or of the one before its first. */
  async termAt(index: number): Promise<number | undefined> {
    const segment = this.#segments.forIndex(index);
    if (segment === undefined) {
      const { first } = this.#segments;
      return index === first.firstIndex - 1 ? first.head.previousTerm : undefined;
    }
    if (index >= segment.end.index) return undefined;
    return (await segment.indexes()).offsets.rowForIndex(index)?.term;
  }

  async #searchFrom(start: Segment | undefined, search: Search): Promise<void> {
    let segment = start ?? this.#segments.first;
    for (;;) {
      await this.#searchSegment(segment, search);
      const next = this.#segments.after(segment);
      if (search.hasSome() || next === undefined) return;
      segment = next;
    }
  }

  async #searchSegment(segment: Segment, search: Search): Promise<void> {
    const known = segment.damage.find(search.isLost);
    if (known !== undefined) throw dataLoss(segment, known);
    const lost = await this.#walk(segment, await search.from(segment), search);
    this.#segments.usedIndexes(segment);
    if (lost === undefined) return;
    // The index may have led to a wrong place: only the segment itself can say what is lost.
    await segment.rebuildIndexes();
    const confirmed = await this.#walk(segment, await search.from(segment), search);
    if (confirmed !== undefined) throw dataLoss(segment, confirmed);
  }

  /** Walks from a row on; the result is the damage in which the wanted thing lies. */
  async #walk(
    segment: Segment,
    row: IndexRow | undefined,
    search: Search,
  ): Promise<DamagedRange | undefined> {
    let lost: DamagedRange | undefined;
    let gap = false;
    const begin =
      row === undefined ? {} : { position: row.position, cursor: cursorOf(row, segment) };
    await segment.scan({
      ...begin,
      chunkBytes: Math.max(search.chunkBytes, 4096),
      enough: search.hasSome,
      onEntry: (entry) => gap || search.take(entry),
      onDamage: (range) => {
        if (search.isLost(range)) lost ??= range;
        // What was found before the damage is answered first; what comes after it is no sequel.
        gap ||= lost !== undefined || (search.hasSome() && range.toIndex >= range.fromIndex);
      },
    });
    return search.hasSome() ? undefined : lost;
  }
}

function cursorOf(row: IndexRow, segment: Segment): Cursor {
  const { appendedAt } = segment.start;
  return { index: row.index, offset: row.baseOffset, term: row.term, appendedAt };
}

export function dataLoss(segment: Segment, range: DamagedRange): ProglogError {
  const file = segment.path("log");
  return new ProglogError(
    "DATA_LOSS",
    `offsets ${range.fromOffset} to ${range.toOffset - 1} are damaged on this server's disk: ` +
      `${file}, bytes ${range.position} to ${range.endPosition}`,
    {
      details: {
        from_offset: String(range.fromOffset),
        to_offset: String(range.toOffset),
        file,
        position: String(range.position),
        end_position: String(range.endPosition),
      },
    },
  );
}
