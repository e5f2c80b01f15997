import type { SegmentList } from "./segment-list.ts";

/** Entries of one term that follow each other: from `fromIndex` up to the next run. */
export interface TermRun {
  readonly fromIndex: number;
  readonly term: number;
}

/**
 * The terms of a whole log, oldest first, beginning with that of the entry before its first. The heads
 * of the segments tell where a term began; only a segment inside which it changed has to show its
 * index, so that this costs next to nothing however long the log is.
 */
export async function termRunsOf(segments: SegmentList): Promise<TermRun[]> {
  const { head } = segments.first;
  const runs: TermRun[] = [{ fromIndex: head.firstIndex - 1, term: head.previousTerm }];
  let term = head.previousTerm;
  for (const segment of [...segments.all]) {
    if (segment.end.term === term) continue;
    const { offsets } = await segment.indexes();
    for (let at = 0; at < offsets.rows; at++) {
      const row = offsets.row(at);
      if (row === undefined || row.term === term) continue;
      term = row.term;
      runs.push({ fromIndex: row.index, term });
    }
    segments.usedIndexes(segment);
  }
  return runs;
}
