import { gunzipSync } from "node:zlib";
import { ProglogError } from "../base/index.ts";

/**
 * Inflates a gzip block whose output is bounded, so that a bomb costs at most `bytesMax` bytes. Throws
 * `BATCH_TOO_LARGE` beyond that and `CORRUPT_BATCH` when the block is not gzip from end to end.
 */
export function gunzipBounded(bytes: Uint8Array, bytesMax: number): Uint8Array {
  let inflated: Uint8Array;
  let consumedBytes: number;
  try {
    const { buffer, engine } = gunzipSync(bytes, {
      maxOutputLength: bytesMax,
      info: true,
    }) as unknown as { buffer: Uint8Array; engine: { bytesWritten: number } };
    inflated = buffer;
    consumedBytes = engine.bytesWritten;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") {
      throw new ProglogError(
        "BATCH_TOO_LARGE",
        `a compressed batch inflates to more than ${bytesMax} bytes`,
        { cause, details: { bytesMax: String(bytesMax) } },
      );
    }
    throw new ProglogError("CORRUPT_BATCH", "a batch's gzip block cannot be inflated", { cause });
  }
  if (consumedBytes !== bytes.length) {
    throw new ProglogError("CORRUPT_BATCH", "there are bytes after a batch's gzip block");
  }
  return inflated;
}
