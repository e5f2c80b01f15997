import { setTimeout as sleep } from "node:timers/promises";

/** Waits, or until the signal is aborted; never rejects. */
export async function waitUnless(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}
