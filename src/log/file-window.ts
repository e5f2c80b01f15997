import { limits } from "../base/index.ts";
import type { DiskFile } from "./disk.ts";
import { readAround } from "./unreadable.ts";
import type { Hole } from "./unreadable.ts";

/**
 * A moving view of a file: what is inside is read without waiting, what is not is loaded. Pages that the
 * disk does not give back look like zeros.
 */
export class FileWindow {
  readonly #file: DiskFile;
  readonly #sizeBytes: number;
  readonly #chunkBytes: number;
  #bytes: Buffer = Buffer.alloc(0);
  #start = 0;
  #lastHole: Hole | undefined;

  /** Sees the first `sizeBytes` of the file, whatever its length. */
  constructor(file: DiskFile, sizeBytes: number, chunkBytes: number = limits.scanChunkBytes) {
    this.#file = file;
    this.#sizeBytes = sizeBytes;
    this.#chunkBytes = chunkBytes;
  }

  get bytes(): Buffer {
    return this.#bytes;
  }

  /** The last of the pages that could not be read. */
  get lastHole(): Hole | undefined {
    return this.#lastHole;
  }

  /** Where a file position is in `bytes`; only after `has` or `load` said it is there. */
  at(position: number): number {
    return position - this.#start;
  }

  has(position: number, length: number): boolean {
    return position >= this.#start && position + length <= this.#start + this.#bytes.length;
  }

  /** The file position after the last byte that is loaded. */
  get end(): number {
    return this.#start + this.#bytes.length;
  }

  /** Loads from `position` on, at least `length` bytes; false when the file ends before. */
  async load(position: number, length: number): Promise<boolean> {
    if (this.has(position, length)) return true;
    const wanted = Math.min(Math.max(length, this.#chunkBytes), this.#sizeBytes - position);
    if (wanted < length) return false;
    const bytes = Buffer.allocUnsafeSlow(wanted);
    let read: number;
    try {
      read = await this.#file.read(bytes, position);
    } catch (error) {
      read = await this.#readAround(error, bytes, position);
    }
    this.#bytes = bytes.subarray(0, read);
    this.#start = position;
    return read >= length;
  }

  async #readAround(error: unknown, bytes: Uint8Array, position: number): Promise<number> {
    const { length, holes } = await readAround(error, this.#file, bytes, position);
    for (const hole of holes) {
      if (hole.endPosition > (this.#lastHole?.endPosition ?? 0)) this.#lastHole = hole;
    }
    return length;
  }
}
