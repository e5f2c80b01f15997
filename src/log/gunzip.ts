import { gunzipSync } from "node:zlib";
import { ProglogError } from "../base/index.ts";

/** Inflates a batch, never to more than `bytesMax`. */
export function gunzip(bytes: Uint8Array, bytesMax: number): Uint8Array {
  try {
    return gunzipSync(bytes, { maxOutputLength: bytesMax });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") {
      const message = `a compressed batch inflates to more than ${bytesMax} bytes`;
      throw new ProglogError("BATCH_TOO_LARGE", message, { cause });
    }
    throw new ProglogError("CORRUPT_BATCH", "a compressed batch cannot be inflated", { cause });
  }
}
