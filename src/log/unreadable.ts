import { limits } from "../base/index.ts";
import type { DiskFile } from "./disk.ts";

/** Bytes of a file that the disk does not give back. */
export interface Hole {
  readonly position: number;
  readonly endPosition: number;
  /** What the operating system said. */
  readonly error: unknown;
}

export interface ReadAround {
  /** Fewer than asked for only at the end of the file. */
  readonly length: number;
  /** Zeros were put in their place. */
  readonly holes: readonly Hole[];
}

/**
 * Once `DiskFile.read` has failed with `error`: reads what there is, and goes on behind pages that cannot be
 * read (`EIO`), so that a bad sector takes with it only what it holds. A page that failed in the larger
 * read is asked for once more. Throws any other error.
 */
export async function readAround(
  error: unknown,
  file: DiskFile,
  into: Uint8Array,
  position: number,
): Promise<ReadAround> {
  if (!isUnreadable(error)) throw error;
  const holes: Hole[] = [];
  const page = limits.diskPageBytes;
  let length = 0;
  while (length < into.length) {
    const at = position + length;
    const wanted = Math.min(page - (at % page), into.length - length);
    const bytes = into.subarray(length, length + wanted);
    let read = wanted;
    try {
      read = await file.read(bytes, at);
    } catch (again) {
      if (!isUnreadable(again)) throw again;
      bytes.fill(0);
      holes.push({ position: at, endPosition: at + wanted, error: again });
    }
    length += read;
    if (read < wanted) break;
  }
  return { length, holes };
}

function isUnreadable(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EIO";
}
