import type { Configuration } from "../base/index.ts";
import { decodeConfiguration } from "../base/index.ts";
import { ENTRY_TYPE } from "./entry-type.ts";
import type { SegmentList } from "./segment-list.ts";

export interface ConfigurationAt {
  readonly index: number;
  readonly configuration: Configuration;
}

/**
 * The last configuration that an entry in (`afterIndex`, `upToIndex`] set. Reads backwards, and no
 * more than it must: the `.side` of a segment tells what held before it.
 */
export async function lastConfiguration(
  segments: SegmentList,
  afterIndex: number,
  upToIndex: number,
): Promise<ConfigurationAt | undefined> {
  for (const segment of [...segments.all].reverse()) {
    if (segment.firstIndex > upToIndex) continue;
    let found: ConfigurationAt | undefined;
    await segment.scan({
      onEntry: ({ index, type, payload }) => {
        if (index > upToIndex) return true;
        if (type !== ENTRY_TYPE.configuration || index <= afterIndex) return undefined;
        found = { index, configuration: decodeConfiguration(payload) };
        return undefined;
      },
    });
    if (found !== undefined) return found;
    const side = await segment.readSide();
    if (side === undefined || side.configurationIndex <= afterIndex) return undefined;
    if (side.configurationIndex <= upToIndex) {
      return { index: side.configurationIndex, configuration: side.configuration };
    }
  }
  return undefined;
}
