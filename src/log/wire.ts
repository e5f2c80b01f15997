import { ProglogError } from "../base/index.ts";
import type { Entry } from "./entry-type.ts";
import {
  BAD_FRAME,
  claimedFrameBytes,
  ENTRY_HEADER_BYTES,
  frameIsIntact,
  readEntry,
  SALT_BYTES,
  writeEntryHeader,
} from "./entry.ts";
import { decodeSide, encodeSide, markerOf } from "./side.ts";
import type { PrefixMarker } from "./side.ts";

interface LogWire {
  readonly headerBytes: number;
  writeHeader(into: Uint8Array, at: number, entry: Entry): void;
  read(bytes: Uint8Array, at: number): { readonly entry: Entry; readonly end: number };
  encodeMarker(marker: unknown): Uint8Array;
  decodeMarker(bytes: Uint8Array): PrefixMarker;
}

/**
 * The log's shapes on their way to another replica: an entry has the same bytes there as in a
 * segment, its checksum included, and a prefix marker those of a `.side` without what is of one disk.
 */
export const logWire: LogWire = {
  headerBytes: ENTRY_HEADER_BYTES,
  writeHeader: writeEntryHeader,

  /**
   * The entry whose frame begins at `at`; its payload is a view. Throws `CORRUPT_BATCH` when its
   * bytes are wrong, `UNSUPPORTED_FORMAT` when this build does not know its type.
   */
  read(bytes, at) {
    const isCut = bytes.length - at < ENTRY_HEADER_BYTES;
    const total = isCut ? BAD_FRAME : claimedFrameBytes(bytes, at);
    if (total === BAD_FRAME || at + total > bytes.length || !frameIsIntact(bytes, at, total)) {
      throw new ProglogError("CORRUPT_BATCH", "an entry was changed on its way");
    }
    return { entry: readEntry(bytes, at, total), end: at + total };
  },

  encodeMarker(marker) {
    const nothing = { salt: new Uint8Array(SALT_BYTES), previousFirstIndex: 0, previousBytes: 0 };
    return encodeSide({ ...(marker as PrefixMarker), ...nothing });
  },

  /** Throws `CORRUPT_BATCH` or `UNSUPPORTED_FORMAT`, as above. */
  decodeMarker(bytes) {
    const side = decodeSide(bytes);
    if (side === undefined) throw new ProglogError("CORRUPT_BATCH", "a marker was changed");
    return markerOf(side);
  },
};
