import { join } from "node:path";
import { ProglogError } from "../base/index.ts";
import type { Disk } from "./disk.ts";
import {
  FENCE_BYTES,
  FENCE_SALT_AT,
  claimedFrameBytes,
  frameIsIntact,
  isFence,
  readFence,
} from "./entry.ts";
import { logStartInitial } from "./log-start.ts";
import { segmentPath, unlinkIfThere } from "./segment.ts";
import { decodeSideHead, SIDE_HEAD_BYTES } from "./side.ts";
import type { SideHead } from "./side.ts";

export const STATE_FILE = "raft.state";
/** The marker that is being installed, before it takes its place as a segment's `.side`. */
export const INSTALL_FILE = "install.side";
const SEGMENT_FILE = /^(\d{20})\.(log|index|time|side)$/;

/** A segment as its directory shows it, before anything of it is trusted. */
export interface FoundSegment {
  readonly firstIndex: number;
  /** From its `.side`, or from its first fence when that is damaged; undefined when neither is whole. */
  readonly head: SideHead | undefined;
  /** The head was taken from the fence: it does not know the segment before. */
  readonly guessed: boolean;
  readonly fileBytes: number;
}

export interface FoundFiles {
  readonly names: readonly string[];
  readonly hasState: boolean;
  readonly firstIndexes: readonly number[];
}

export async function listFiles(disk: Disk, directory: string): Promise<FoundFiles> {
  const names = await disk.list(directory);
  const firstIndexes = names
    .map((name) => SEGMENT_FILE.exec(name))
    .filter((match) => match?.[2] === "log")
    .map((match) => Number(match?.[1]))
    .sort((a, b) => a - b);
  return { names, hasState: names.includes(STATE_FILE), firstIndexes };
}

export async function findSegment(
  disk: Disk,
  directory: string,
  firstIndex: number,
): Promise<FoundSegment> {
  const log = await disk.open(segmentPath(directory, firstIndex, "log"), "read");
  try {
    const fileBytes = await log.size();
    const head = await readHead(disk, segmentPath(directory, firstIndex, "side"));
    if (head?.firstIndex === firstIndex) return { firstIndex, head, guessed: false, fileBytes };
    const fence = new Uint8Array(FENCE_BYTES);
    const read = await log.read(fence, 0);
    const guess = read === FENCE_BYTES ? headFromFence(fence, firstIndex) : undefined;
    return { firstIndex, head: guess, guessed: true, fileBytes };
  } finally {
    await log.close();
  }
}

async function readHead(disk: Disk, path: string): Promise<SideHead | undefined> {
  try {
    const file = await disk.open(path, "read");
    try {
      const bytes = new Uint8Array(SIDE_HEAD_BYTES);
      const read = await file.read(bytes, 0);
      return decodeSideHead(bytes.subarray(0, read));
    } finally {
      await file.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** A segment's first frame is a fence, and it repeats what the `.side` said of the beginning. */
function headFromFence(bytes: Uint8Array, firstIndex: number): SideHead | undefined {
  if (claimedFrameBytes(bytes, 0) !== FENCE_BYTES || !isFence(bytes, 0, FENCE_BYTES)) return;
  if (!frameIsIntact(bytes, 0, FENCE_BYTES)) return undefined;
  const fence = readFence(bytes, 0);
  if (fence.index + fence.unsynced !== firstIndex - 1) return undefined;
  return {
    firstIndex,
    previousTerm: fence.term,
    nextOffset: fence.nextOffset,
    appendedAt: fence.appendedAt,
    salt: bytes.slice(FENCE_SALT_AT, FENCE_BYTES),
    logStart: logStartInitial,
    featureLevel: 0,
    previousFirstIndex: 0,
    previousBytes: 0,
    commitIndex: fence.commitIndex,
  };
}

/** Removes what an interrupted change left behind: files of no segment, and half-written ones. */
export async function sweep(
  disk: Disk,
  directory: string,
  keep: { readonly firstIndexes: readonly number[]; readonly closingSide: number | undefined },
): Promise<void> {
  const segments = new Set(keep.firstIndexes);
  for (const name of await disk.list(directory)) {
    const match = SEGMENT_FILE.exec(name);
    const first = Number(match?.[1]);
    const isClosing = match?.[2] === "side" && first === keep.closingSide;
    const orphan = match !== null && !segments.has(first) && !isClosing;
    if (orphan || name.endsWith(".tmp")) await unlinkIfThere(disk, join(directory, name));
  }
}

/** Removes a segment that never held an entry, or that lies in front of the log. */
export async function removeSegmentFiles(
  disk: Disk,
  directory: string,
  firstIndex: number,
): Promise<void> {
  for (const extension of ["log", "index", "time", "side"] as const) {
    await unlinkIfThere(disk, segmentPath(directory, firstIndex, extension));
  }
}

export function missingSegment(directory: string, before: number): ProglogError {
  return new ProglogError(
    "DATA_LOSS",
    `a segment is missing in ${directory}: the one before index ${before} is not there`,
    { details: { directory, before: String(before) } },
  );
}
