import { putU32 } from "../base/index.ts";
import type { Random } from "../base/index.ts";
import type { Disk, DiskFile } from "./disk.ts";
import { durably, isDiskFull } from "./durably.ts";
import { SALT_BYTES } from "./entry.ts";
import type { FilePool } from "./file-pool.ts";
import { Indexes } from "./indexes.ts";
import { Segment, segmentPath, startOf, unlinkIfThere } from "./segment.ts";
import { encodeSide } from "./side.ts";
import type { Side } from "./side.ts";

export interface SegmentPlace {
  readonly disk: Disk;
  readonly files: FilePool;
  readonly directory: string;
  readonly random: Random;
}

/** The salt of a new segment's fences: nobody who only writes records can know it. */
export function newSalt(random: Random): Uint8Array {
  const salt = new Uint8Array(SALT_BYTES);
  putU32(salt, 0, random.u32());
  putU32(salt, 4, random.u32());
  return salt;
}

/** Makes a `.side` durable except for its name, which a later sync of the directory keeps. */
export async function writeSide(disk: Disk, path: string, side: Side): Promise<void> {
  const temporary = `${path}.tmp`;
  const file = await disk.open(temporary, "replace");
  try {
    await file.write(encodeSide(side), 0);
    await durably(file.sync());
  } finally {
    await file.close();
  }
  await disk.rename(temporary, path);
}

/**
 * Makes a segment: first its `.side`, durable, then the empty `.log`, then the directory, so that no
 * entry is ever acknowledged in a file whose name may be forgotten. What fails for want of space is
 * taken back.
 */
export async function createSegment(
  place: SegmentPlace,
  side: Omit<Side, "salt">,
): Promise<{ readonly segment: Segment; readonly file: DiskFile }> {
  const { disk, directory, files } = place;
  const head = { ...side, salt: newSalt(place.random) };
  const sidePath = segmentPath(directory, side.firstIndex, "side");
  const logPath = segmentPath(directory, side.firstIndex, "log");
  try {
    await writeSide(disk, sidePath, head);
    const file = await disk.open(logPath, "replace");
    await durably(disk.syncDirectory(directory));
    const segment = new Segment({ disk, files, directory, head, sizeBytes: 0, end: startOf(head) });
    segment.useIndexes(new Indexes(head.previousTerm));
    return { segment, file };
  } catch (error) {
    if (!isDiskFull(error)) throw error;
    await unlinkIfThere(disk, logPath);
    await unlinkIfThere(disk, sidePath);
    await unlinkIfThere(disk, `${sidePath}.tmp`);
    // Names that come back after a power cut would end the segment before where it ends now.
    await durably(disk.syncDirectory(directory));
    throw error;
  }
}
