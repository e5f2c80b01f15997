import { setTimeout as pause } from "node:timers/promises";
import { limits, type ProglogError } from "../base/index.ts";
import { abortError } from "./abort.ts";

/** How a client repeats what may be repeated. */
export interface RetryPolicy {
  /** Attempts in all, the first included; for streams: without progress between them. */
  readonly attemptsMax: number;
  /** The first pause; each one doubles. */
  readonly delayMsMin: number;
  readonly delayMsMax: number;
}

export const DEFAULT_RETRY: RetryPolicy = {
  attemptsMax: limits.retryAttemptsMax,
  delayMsMin: limits.retryDelayMsMin,
  delayMsMax: limits.retryDelayMsMax,
};

/**
 * The pauses between attempts: doubling, bounded, and spread over their upper half, so that clients
 * which failed together do not come back together.
 */
export class Backoff {
  readonly #policy: RetryPolicy;
  #failures = 0;

  constructor(policy: RetryPolicy) {
    this.#policy = policy;
  }

  /** Failures since the last progress. */
  get failures(): number {
    return this.#failures;
  }

  /** There was progress: the next failure is a first one. */
  reset(): void {
    this.#failures = 0;
  }

  /** Counts a failure and waits; rejects when the signal is aborted. */
  async wait(signal?: AbortSignal): Promise<void> {
    const { delayMsMin, delayMsMax } = this.#policy;
    const delayMs = Math.min(delayMsMax, delayMsMin * 2 ** Math.min(this.#failures, 30));
    this.#failures += 1;
    try {
      const jittered = delayMs * (1 - Math.random() / 2);
      await pause(jittered, undefined, signal === undefined ? {} : { signal });
    } catch (caught) {
      if (signal?.aborted) throw abortError(signal);
      throw caught;
    }
  }
}

/**
 * Repeats `attempt` while it fails with an error that `repeatable` accepts, and the policy allows;
 * then throws that error.
 */
export async function retrying<T>(
  policy: RetryPolicy,
  repeatable: (error: ProglogError) => boolean,
  attempt: () => Promise<T>,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<T> {
  const backoff = new Backoff(policy);
  for (;;) {
    try {
      return await attempt();
    } catch (caught) {
      const error = caught as ProglogError;
      if (backoff.failures + 1 >= policy.attemptsMax || !repeatable(error)) throw error;
    }
    await backoff.wait(options.signal);
  }
}
