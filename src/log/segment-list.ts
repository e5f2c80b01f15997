import { assert } from "../base/index.ts";
import type { Segment } from "./segment.ts";

/**
 * The segments of a log in order, and which of their indexes are in memory. Invariants: there is at
 * least one; each begins where the one before ends; only the last, the active one, is written to.
 */
export class SegmentList {
  readonly #indexBytesMax: number;
  #segments: Segment[];
  /** Segments with indexes in memory, the least recently used first. */
  #indexed = new Set<Segment>();

  constructor(segments: readonly Segment[], indexBytesMax: number) {
    assert(segments.length > 0, "a log has at least one segment");
    this.#segments = [...segments];
    this.#indexBytesMax = indexBytesMax;
  }

  get all(): readonly Segment[] {
    return this.#segments;
  }

  get first(): Segment {
    return this.#segments[0] as Segment;
  }

  get active(): Segment {
    return this.#segments[this.#segments.length - 1] as Segment;
  }

  /** The segment that holds an offset, or would. */
  forOffset(offset: number): Segment | undefined {
    return this.#lastWhere((segment) => segment.head.nextOffset <= offset);
  }

  forIndex(index: number): Segment | undefined {
    return this.#lastWhere((segment) => segment.firstIndex <= index);
  }

  /** The first segment that may hold an entry appended at or after a time. */
  forTime(timestampMs: number): Segment {
    return this.#lastWhere((segment) => segment.head.appendedAt < timestampMs) ?? this.first;
  }

  after(segment: Segment): Segment | undefined {
    return this.#segments[this.#segments.indexOf(segment) + 1];
  }

  push(segment: Segment): void {
    assert(segment.firstIndex === this.active.end.index, "a segment begins where the last ends");
    this.#segments.push(segment);
  }

  /** Takes the first `count` segments off the list. */
  takeFront(count: number): Segment[] {
    assert(count < this.#segments.length, "the active segment stays");
    return this.#forget(this.#segments.splice(0, count));
  }

  /** Takes every segment after `segment` off the list. */
  takeAfter(segment: Segment): Segment[] {
    return this.#forget(this.#segments.splice(this.#segments.indexOf(segment) + 1));
  }

  /** Puts one segment in the place of all. */
  replaceAll(segment: Segment): Segment[] {
    const old = this.#segments;
    this.#segments = [segment];
    return this.#forget(old);
  }

  /** Notes a use of a segment's indexes, and lets go of the longest unused beyond the bound. */
  usedIndexes(segment: Segment): void {
    this.#indexed.delete(segment);
    this.#indexed.add(segment);
    let bytes = 0;
    for (const each of this.#indexed) bytes += each.loadedIndexes?.memoryBytes ?? 0;
    for (const each of this.#indexed) {
      if (bytes <= this.#indexBytesMax) return;
      if (each === this.active || each === segment) continue;
      bytes -= each.loadedIndexes?.memoryBytes ?? 0;
      each.dropIndexes();
      this.#indexed.delete(each);
    }
  }

  #forget(segments: Segment[]): Segment[] {
    for (const segment of segments) this.#indexed.delete(segment);
    return segments;
  }

  #lastWhere(holds: (segment: Segment) => boolean): Segment | undefined {
    let low = 0;
    let high = this.#segments.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (holds(this.#segments[middle] as Segment)) low = middle + 1;
      else high = middle;
    }
    return this.#segments[low - 1];
  }
}
