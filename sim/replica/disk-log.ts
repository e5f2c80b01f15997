import { crc32 } from "node:zlib";
import type { EntryFacts } from "../checkers/index.ts";
import type { FaultDisk, Side } from "../disk/index.ts";

const HEADER_BYTES = 48;
const FENCE = 255;

export interface DiskEntry extends EntryFacts {
  readonly baseOffset: number;
  readonly recordCount: number;
}

/**
 * The entries in a directory's segments, read by `docs/format.md` and by none of the log's code: up to
 * the first frame whose checksum does not hold. Segments after that are read all the same.
 */
export function readDiskLog(disk: FaultDisk, directory: string, side: Side): DiskEntry[] {
  return segmentNames(disk, directory, side).flatMap((name) =>
    parseSegment(disk.medium.bytes(`${directory}/${name}`, side)),
  );
}

export function segmentNames(disk: FaultDisk, directory: string, side: Side): string[] {
  return disk.medium.names(directory, side).filter((name) => name.endsWith(".log"));
}

/** The last entry of the last segment that holds one; 0 when there is none. */
export function lastDurableIndex(disk: FaultDisk, directory: string): number {
  for (const name of segmentNames(disk, directory, "durable").reverse()) {
    const last = parseSegment(disk.medium.bytes(`${directory}/${name}`, "durable")).at(-1);
    if (last !== undefined) return last.index;
    // A segment without entries still says that everything before it was durable.
    return Number(name.slice(0, 20)) - 1;
  }
  return 0;
}

function parseSegment(bytes: Uint8Array): DiskEntry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries: DiskEntry[] = [];
  for (let at = 0; at + HEADER_BYTES <= bytes.length;) {
    const length = view.getUint32(at, true);
    const end = at + 8 + length;
    if (length < HEADER_BYTES - 8 || end > bytes.length) break;
    const lengthCrc = crc32(bytes.subarray(at, at + 4));
    if (crc32(bytes.subarray(at + 8, end), lengthCrc) !== view.getUint32(at + 4, true)) break;
    if (view.getUint8(at + 44) !== FENCE) {
      entries.push({
        index: Number(view.getBigUint64(at + 8, true)),
        term: Number(view.getBigUint64(at + 16, true)),
        baseOffset: Number(view.getBigUint64(at + 24, true)),
        recordCount: view.getUint32(at + 40, true),
        digest: crc32(bytes.subarray(at + HEADER_BYTES, end)),
      });
    }
    at = end;
  }
  return entries;
}
