import { ENTRY_TYPE } from "./entry-type.ts";
import { decodeLogStart } from "./log-start.ts";
import type { LogStart } from "./log-start.ts";
import type { SegmentList } from "./segment-list.ts";

/**
 * The log start after the entry `upToIndex`: of the last entry up to there that set one. Reads at most
 * one segment, because its `.side` tells what held before it; undefined when the disk does not tell.
 */
export async function lastLogStart(
  segments: SegmentList,
  upToIndex: number,
): Promise<LogStart | undefined> {
  const before = segments.all.filter(({ firstIndex }) => firstIndex <= upToIndex + 1);
  const segment = before.at(-1) ?? segments.first;
  let start = (await segment.readSide())?.logStart;
  await segment.scan({
    onEntry: ({ index, type, payload }) => {
      if (index > upToIndex) return true;
      if (type === ENTRY_TYPE.logStart) start = decodeLogStart(payload);
      return undefined;
    },
  });
  return start;
}
