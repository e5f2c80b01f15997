import { listFiles, removeSegmentFiles } from "./directory.ts";
import { durably } from "./durably.ts";
import type { ResolvedLogOptions } from "./options.ts";
import { writeSide } from "./segment-files.ts";
import { segmentPath } from "./segment.ts";
import type { Segment } from "./segment.ts";
import type { StateFile, SyncedMark } from "./state-file.ts";

/**
 * Finishes a cut of the log's end that was under way when the process, or its disk, stopped. What is
 * half cut cannot be judged frame by frame: its own fences would call it durable, and so damaged.
 * Nothing was appended since the cut began, so whatever stands behind the mark was to go.
 */
export async function finishCut(
  { disk, directory, observer }: ResolvedLogOptions,
  state: StateFile,
  mark: SyncedMark,
): Promise<void> {
  const { firstIndexes } = await listFiles(disk, directory);
  const later = firstIndexes.filter((first) => first > mark.segment);
  for (const first of later.sort((a, b) => b - a)) {
    await removeSegmentFiles(disk, directory, first);
    await durably(disk.syncDirectory(directory));
  }
  if (firstIndexes.includes(mark.segment)) {
    const file = await disk.open(segmentPath(directory, mark.segment, "log"), "write");
    try {
      if ((await file.size()) > mark.segmentBytes) await file.truncate(mark.segmentBytes);
      await durably(file.sync());
    } finally {
      await file.close();
    }
  }
  await durably(state.lowerMark({ ...mark, cutting: false }));
  observer.log("info", "log.cut-finished", { index: mark.index });
}

/**
 * Before a cut of the log's end: the first segment says that nothing was before it. Otherwise what it
 * names as before it would be missed, once the log start by which that was removed is cut off.
 */
export async function forgetFront(
  { disk, directory }: ResolvedLogOptions,
  first: Segment,
): Promise<void> {
  const side = await first.readSide();
  if (side === undefined || side.previousFirstIndex === 0) return;
  await writeSide(disk, first.path("side"), { ...side, previousFirstIndex: 0, previousBytes: 0 });
  await durably(disk.syncDirectory(directory));
}
