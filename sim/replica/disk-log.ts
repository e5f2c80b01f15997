import { crc32 } from "node:zlib";
import type { EntryFacts } from "../checkers/index.ts";
import type { FaultDisk, Side } from "../disk/index.ts";

const HEADER_BYTES = 48;
const FENCE = 255;

export interface DiskEntry extends EntryFacts {
  /** Where it begins in what was read. */
  readonly at: number;
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

/**
 * How far a log is durable, by the bytes on its disk. Asked often, so it goes on where it was: at the
 * last frame it knows, as long as that still has the checksum it had.
 */
export class DurableEnd {
  readonly #directory: string;
  #name = "";
  /** Where the last known entry begins, and the word in it that tells it from any other. */
  #at = 0;
  #checksum = 0;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** The last entry of the last segment that holds one; 0 when there is none. */
  lastIndex(disk: FaultDisk): number {
    const name = disk.medium.lastName(this.#directory, ".log", "durable");
    if (name === undefined) return 0;
    // A segment without entries still says that everything before it was durable.
    return this.#lastIn(disk, name) ?? Number(name.slice(0, 20)) - 1;
  }

  #lastIn(disk: FaultDisk, name: string): number | undefined {
    const path = `${this.#directory}/${name}`;
    let at = name === this.#name ? this.#at : 0;
    let bytes = disk.medium.bytesFrom(path, at, "durable");
    if (
      at > 0 &&
      (bytes.length < HEADER_BYTES || viewOf(bytes).getUint32(4, true) !== this.#checksum)
    ) {
      at = 0;
      bytes = disk.medium.bytes(path, "durable");
    }
    const last = parseSegment(bytes).at(-1);
    if (last === undefined) return undefined;
    this.#name = name;
    this.#at = at + last.at;
    this.#checksum = viewOf(bytes).getUint32(last.at + 4, true);
    return last.index;
  }
}

function parseSegment(bytes: Uint8Array): DiskEntry[] {
  const view = viewOf(bytes);
  const entries: DiskEntry[] = [];
  for (let at = 0; at + HEADER_BYTES <= bytes.length;) {
    const length = view.getUint32(at, true);
    const end = at + 8 + length;
    if (length < HEADER_BYTES - 8 || end > bytes.length) break;
    const lengthCrc = crc32(bytes.subarray(at, at + 4));
    if (crc32(bytes.subarray(at + 8, end), lengthCrc) !== view.getUint32(at + 4, true)) break;
    if (view.getUint8(at + 44) !== FENCE) {
      entries.push({
        at,
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

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
