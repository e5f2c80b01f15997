import { setTimeout as pause } from "node:timers/promises";
import { limits, type ProglogError } from "../base/index.ts";
import { abortError } from "./abort.ts";

/** How a client repeats what may be repeated. */
export interface RetryPolicy {
  /**
   * Attempts in all, the first included; for streams: without progress between them. An attempt that
   * met a server which does not lead does not count: the cluster is there and elects.
   */
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

/** Those who follow a log outlast a restart of its servers. */
export const FOLLOW_RETRY: RetryPolicy = {
  ...DEFAULT_RETRY,
  attemptsMax: limits.followRetryAttemptsMax,
};

/**
 * The pauses between attempts: doubling, bounded, and spread over their upper half, so that clients
 * which failed together do not come back together. After `NOT_LEADER` they stay short: an election
 * takes less than a second, and whoever waits longer than it does has lost that time.
 */
export class Backoff {
  readonly #policy: RetryPolicy;
  #failures = 0;
  #counted = 0;

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
    this.#counted = 0;
  }

  /** Takes note of a failure. True if the policy allows no further attempt. */
  failed({ code }: ProglogError): boolean {
    this.#failures += 1;
    if (code === "NOT_LEADER") return false;
    this.#counted += 1;
    return this.#counted >= this.#policy.attemptsMax;
  }

  /** How long to wait after the failure that was noted last. */
  pauseMs({ code }: ProglogError): number {
    const { delayMsMin, delayMsMax } = this.#policy;
    const longestMs =
      code === "NOT_LEADER" ? Math.min(delayMsMax, limits.leaderRetryDelayMsMax) : delayMsMax;
    const delayMs = delayMsMin * 2 ** Math.min(Math.max(0, this.#failures - 1), 30);
    return Math.min(longestMs, delayMs) * (1 - Math.random() / 2);
  }

  /** Waits as long; rejects when the signal is aborted. */
  async wait(error: ProglogError, signal?: AbortSignal): Promise<void> {
    await waitFor(this.pauseMs(error), signal);
  }
}

/**
 * So many repetitions a second, of all calls of a client together: a service that comes back finds its
 * clients, and not all that they have tried since it went.
 */
export class RetryBudget {
  #freeAtMs = 0;

  /** Takes a place, and tells in how many milliseconds it is. */
  take(nowMs: number): number {
    const stepMs = 1_000 / limits.retriesPerSecondMax;
    const burstMs = limits.retriesBurstMax * stepMs;
    this.#freeAtMs = Math.max(this.#freeAtMs, nowMs - burstMs) + stepMs;
    return Math.max(0, this.#freeAtMs - nowMs);
  }
}

export interface RetryOptions {
  readonly policy: RetryPolicy;
  readonly budget: RetryBudget;
  /** A time of `performance.now()`, after which nothing is begun: that clock is set by nobody. */
  readonly deadlineMs: number;
  /** Whether the same may be tried again after this. */
  readonly isRepeatable: (error: ProglogError) => boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Repeats `attempt` as long as all of the options allow it; then throws what it failed with last. */
export async function retrying<T>(options: RetryOptions, attempt: () => Promise<T>): Promise<T> {
  const { policy, budget, deadlineMs, isRepeatable, signal } = options;
  const backoff = new Backoff(policy);
  for (;;) {
    let error: ProglogError;
    try {
      return await attempt();
    } catch (caught) {
      error = caught as ProglogError;
    }
    if (!isRepeatable(error) || backoff.failed(error)) throw error;
    const pauseMs = Math.max(backoff.pauseMs(error), budget.take(performance.now()));
    if (performance.now() + pauseMs + limits.attemptTimeMsMin > deadlineMs) throw error;
    await waitFor(pauseMs, signal);
  }
}

async function waitFor(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await pause(ms, undefined, signal === undefined ? {} : { signal });
  } catch (caught) {
    if (signal?.aborted) throw abortError(signal);
    throw caught;
  }
}
