import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import {
  BATCH_ATTRIBUTES,
  BATCH_CODEC,
  BATCH_OVERHEAD_BYTES,
  limits,
  ProglogError,
} from "../base/index.ts";
import type { Run } from "./tail-page.ts";

const ATTRIBUTES_LOW_BYTE = 22;

function isCompressed(batch: Uint8Array): boolean {
  const codec = (batch[ATTRIBUTES_LOW_BYTE] as number) & BATCH_ATTRIBUTES.codecMask;
  return codec !== BATCH_CODEC.none;
}

/** A run that can be served at once; undefined when something must be inflated first. */
export function asPlainRun(batches: readonly Uint8Array[]): Run | undefined {
  return batches.some(isCompressed) ? undefined : { batches, inflated: undefined };
}

/**
 * Inflates what is compressed, off the event loop: a batch may be 16 MiB when inflated. The run ends
 * early once so much is in memory.
 */
export async function inflateRun(batches: readonly Uint8Array[]): Promise<Run> {
  const inflated = new Map<Uint8Array, Uint8Array>();
  let bytes = 0;
  for (const [index, batch] of batches.entries()) {
    if (!isCompressed(batch)) continue;
    if (bytes >= limits.inflatedBatchBytesMax) {
      return { batches: batches.slice(0, index), inflated };
    }
    const plain = await inflateBatch(batch);
    inflated.set(batch, plain);
    bytes += plain.length;
  }
  return { batches, inflated };
}

async function inflateBatch(batch: Uint8Array): Promise<Uint8Array> {
  const maxOutputLength = limits.inflatedBatchBytesMax;
  try {
    return await promisify(gunzip)(batch.subarray(BATCH_OVERHEAD_BYTES), { maxOutputLength });
  } catch (cause) {
    throw new ProglogError("CORRUPT_BATCH", "a batch of the log cannot be inflated", { cause });
  }
}
