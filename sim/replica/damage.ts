import { below, type Random } from "../../src/base/index.ts";
import type { FaultDisk } from "../disk/index.ts";
import { segmentNames } from "./disk-log.ts";

const STATE_COPY_BYTES = 8_192;

/**
 * Damages a disk at rest, where it can be told from a torn write: in a segment that is not the last, in
 * a cache, or in one or both copies of `raft.state`. Says what it did, or undefined.
 */
export function spoil(disk: FaultDisk, directory: string, random: Random): string | undefined {
  const { medium } = disk;
  const sealed = segmentNames(disk, directory, "durable").slice(0, -1);
  const flip = (name: string, from: number, to: number): void => {
    const length = Math.min(to, medium.bytes(`${directory}/${name}`).length);
    if (length > from)
      medium.flipBit(`${directory}/${name}`, 8 * from + below(random, 8 * (length - from)));
  };
  const segment = sealed[below(random, Math.max(1, sealed.length))];
  switch (below(random, 5)) {
    case 0:
      if (!medium.has(`${directory}/raft.state`)) return undefined;
      flip("raft.state", 0, STATE_COPY_BYTES);
      return "flip in one copy of the state";
    case 1:
      if (!medium.has(`${directory}/raft.state`)) return undefined;
      for (const at of [0, STATE_COPY_BYTES]) {
        medium.overwrite(`${directory}/raft.state`, at, new Uint8Array(STATE_COPY_BYTES));
      }
      return "both copies of the state gone";
    case 2:
      if (segment === undefined) return undefined;
      medium.zeroBlock(`${directory}/${segment}`, 0);
      return "a block of zeros in a segment";
    default:
      if (segment === undefined) return undefined;
      flip(segment, 0, Infinity);
      return "flip in a segment";
  }
}
