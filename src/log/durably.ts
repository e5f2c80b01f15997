import { ProglogError } from "../base/index.ts";

/**
 * Waits for a sync. A failed one is never like a failed write: the kernel may have dropped the pages
 * and will say yes the next time, so the error is marked as the end of all acknowledging.
 */
export async function durably(sync: Promise<void>): Promise<void> {
  try {
    await sync;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ProglogError("STORAGE_FAILED", `sync failed: ${reason}`, { cause });
  }
}

/** Whether this is an answer of the operating system, and no mistake of ours. */
export function isDiskError(error: unknown): boolean {
  return error instanceof Error && "code" in error && "syscall" in error;
}

/** Whether a write failed only for want of space. */
export function isDiskFull(error: unknown): boolean {
  const code = error instanceof ProglogError ? undefined : (error as NodeJS.ErrnoException).code;
  return code === "ENOSPC" || code === "EDQUOT";
}
