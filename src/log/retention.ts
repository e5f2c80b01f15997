import { limits } from "../base/index.ts";
import type { LogStart } from "./log-start.ts";
import type { Segment } from "./segment.ts";

/** What a decision about a segment needs to know. */
export type SegmentFacts = Pick<Segment, "sizeBytes" | "end">;

/**
 * Where the log should begin now, or undefined when nothing is to go. Whole segments go from the
 * front: as long as the rest is at least `retentionBytes`, or when the segment's last entry is older
 * than `retentionMs`. Never more than a tenth of them in one pass (but one), so that a clock that
 * jumped cannot empty the log before somebody notices; never beyond what is committed.
 */
export function planRetention(
  segments: readonly SegmentFacts[],
  start: LogStart,
  now: { readonly timestampMs: number; readonly commitIndex: number },
): LogStart | undefined {
  const droppable = segments.slice(0, -1);
  let bytes = segments.reduce((sum, segment) => sum + segment.sizeBytes, 0);
  let next: LogStart | undefined;
  for (const segment of droppable.slice(0, dropCountMax(segments.length))) {
    if (segment.end.index - 1 > now.commitIndex) break;
    bytes -= segment.sizeBytes;
    const tooMuch = start.retentionBytes > 0 && bytes >= start.retentionBytes;
    const age = now.timestampMs - segment.end.appendedAt;
    const tooOld = start.retentionMs > 0 && age > start.retentionMs;
    if (!tooMuch && !tooOld) break;
    // The start may lie within a segment, behind the end of the one before it: it stays there.
    const offset = Math.max(start.offset, segment.end.offset);
    next = { ...start, index: segment.end.index, offset };
  }
  return next !== undefined && next.index > start.index ? next : undefined;
}

/** How many segments one pass may take. */
export function dropCountMax(segments: number): number {
  return Math.max(1, Math.floor(segments * limits.retentionShareMax));
}
