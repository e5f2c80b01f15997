import { setTimeout as sleep } from "node:timers/promises";

/**
 * Calls `act` so many times a second for a while, from a timer that catches up when it was late.
 * Resolves to how often it called; sooner when `signal` says so.
 */
export async function paced(
  perSecond: number,
  seconds: number,
  act: (n: number) => void,
  signal?: AbortSignal,
): Promise<number> {
  const total = Math.round(perSecond * seconds);
  const startMs = performance.now();
  let done = 0;
  while (done < total && signal?.aborted !== true) {
    const due = Math.min(total, ((performance.now() - startMs) / 1000) * perSecond);
    while (done < due) act(done++);
    await sleep(1);
  }
  return done;
}
