import { closeSync, fdatasync, openSync, write } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { VALUE_BYTES, valueOf } from "./values.ts";

/** What the disk does with nothing around: a file grows by so many bytes at a time, a sync for each. */
export async function syncedWritesPerSecond(
  directory: string,
  writes: { readonly bytes: number; readonly count: number },
): Promise<number> {
  const path = join(directory, "raw");
  const file = openSync(path, "w");
  const bytes = Buffer.alloc(writes.bytes);
  for (let at = 0; at + VALUE_BYTES <= bytes.length; at += VALUE_BYTES) valueOf(at).copy(bytes, at);
  const startMs = performance.now();
  for (let n = 0; n < writes.count; n++) await writeAndSync(file, bytes, n * bytes.length);
  const seconds = (performance.now() - startMs) / 1000;
  closeSync(file);
  await rm(path);
  return writes.count / seconds;
}

function writeAndSync(file: number, bytes: Buffer, position: number): Promise<void> {
  return new Promise((resolve, reject) => {
    write(file, bytes, 0, bytes.length, position, (failure) => {
      if (failure !== null) reject(failure);
      else fdatasync(file, (error) => (error === null ? resolve() : reject(error)));
    });
  });
}
