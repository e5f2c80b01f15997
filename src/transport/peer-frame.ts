/**
 * Frames on a connection between replicas: length u32 (of all that follows the checksum), CRC-32 u32
 * (over the length's four bytes and all that follows the checksum), then the body.
 */
import { crc32 } from "node:zlib";
import { getU32, ProglogError, putU32 } from "../base/index.ts";

export const FRAME_HEAD_BYTES = 8;
/** In front of the first frame in each direction; no method of HTTP and no TLS begins like it. */
export const RAFT_MAGIC: Uint8Array = Uint8Array.of(0xb1, 0x50, 0x4c, 0x52);

/** Pieces of one frame, to be written one after another. */
export interface Frame {
  readonly parts: readonly Uint8Array[];
  readonly bytes: number;
  /** Told when it was dropped before a byte of it had left. */
  readonly onLost?: (() => void) | undefined;
}

/** A frame around a body in pieces, the first of which leaves `FRAME_HEAD_BYTES` in front. */
export function sealFrame(parts: readonly [Uint8Array, ...Uint8Array[]]): Frame {
  const [first, ...others] = parts;
  let bytes = 0;
  for (const part of parts) bytes += part.length;
  putU32(first, 0, bytes - FRAME_HEAD_BYTES);
  let checksum = crc32(first.subarray(FRAME_HEAD_BYTES), crc32(first.subarray(0, 4)));
  // Of no bytes at all zlib may say 0, whatever was before them.
  for (const part of others) if (part.length > 0) checksum = crc32(part, checksum);
  putU32(first, 4, checksum);
  return { parts, bytes };
}

/**
 * Cuts what comes from a connection, after its magic, into the bodies of frames. A frame that lies within one chunk is
 * a view of it; any other is gathered once, into memory of its own, whose size is checked before.
 */
export class FrameReader {
  #bytesMax: number;
  #magicBytes = 0;
  readonly #head: Uint8Array = new Uint8Array(FRAME_HEAD_BYTES);
  #headBytes = 0;
  #frame: Uint8Array | undefined;
  #frameBytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** For the frames from now on. */
  set bytesMax(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** The bodies that are whole with this chunk. Throws `CORRUPT_BATCH`; then nothing more is to be read. */
  *read(chunk: Uint8Array): Generator<Uint8Array, void> {
    let at = this.#skipMagic(chunk);
    while (at < chunk.length) {
      if (this.#frame === undefined && this.#headBytes === 0) {
        const total = this.#wholeAt(chunk, at);
        if (total > 0) {
          const frame = chunk.subarray(at, at + total);
          at += total;
          yield bodyOf(frame);
          continue;
        }
      }
      at = this.#gather(chunk, at);
      const frame = this.#frame;
      if (frame === undefined || this.#frameBytes < frame.length) continue;
      this.#frame = undefined;
      this.#headBytes = 0;
      yield bodyOf(frame);
    }
  }

  #skipMagic(chunk: Uint8Array): number {
    let at = 0;
    while (this.#magicBytes < RAFT_MAGIC.length && at < chunk.length) {
      if (chunk[at++] !== RAFT_MAGIC[this.#magicBytes++]) {
        throw new ProglogError("CORRUPT_BATCH", "not the protocol of replicas");
      }
    }
    return at;
  }

  /** The length of the frame at `at` when all of it is in the chunk, else 0. */
  #wholeAt(chunk: Uint8Array, at: number): number {
    if (chunk.length - at < FRAME_HEAD_BYTES) return 0;
    const total = this.#total(getU32(chunk, at));
    return chunk.length - at < total ? 0 : total;
  }

  #gather(chunk: Uint8Array, from: number): number {
    let at = from;
    if (this.#frame === undefined) {
      while (this.#headBytes < FRAME_HEAD_BYTES && at < chunk.length) {
        this.#head[this.#headBytes++] = chunk[at++] as number;
      }
      if (this.#headBytes < FRAME_HEAD_BYTES) return at;
      this.#frame = Buffer.allocUnsafeSlow(this.#total(getU32(this.#head, 0)));
      this.#frame.set(this.#head);
      this.#frameBytes = FRAME_HEAD_BYTES;
    }
    const end = Math.min(chunk.length, at + this.#frame.length - this.#frameBytes);
    this.#frame.set(chunk.subarray(at, end), this.#frameBytes);
    this.#frameBytes += end - at;
    return end;
  }

  #total(length: number): number {
    if (length === 0 || length > this.#bytesMax - FRAME_HEAD_BYTES) {
      throw new ProglogError("CORRUPT_BATCH", `a frame claims ${length} bytes`);
    }
    return FRAME_HEAD_BYTES + length;
  }
}

function bodyOf(frame: Uint8Array): Uint8Array {
  const body = frame.subarray(FRAME_HEAD_BYTES);
  if (crc32(body, crc32(frame.subarray(0, 4))) !== getU32(frame, 4)) {
    throw new ProglogError("CORRUPT_BATCH", "a frame's checksum does not hold");
  }
  return body;
}
