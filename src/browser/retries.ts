import { limits, ProglogError } from "../base/index.ts";

/** The pauses between attempts: they double, are bounded, and are spread over their upper half. */
export class Retries {
  readonly #attemptsMax: number;
  #failures = 0;

  constructor(attemptsMax: number) {
    this.#attemptsMax = attemptsMax;
  }

  /** There was progress: the next failure is a first one. */
  reset(): void {
    this.#failures = 0;
  }

  /** Waits if there may be another attempt; throws the error, or the signal's, if not. */
  async failed(error: ProglogError, signal: AbortSignal | undefined): Promise<void> {
    this.#failures += 1;
    if (!error.retryable || this.#failures >= this.#attemptsMax) throw error;
    const { retryDelayMsMin, retryDelayMsMax } = limits;
    const delayMs = Math.min(retryDelayMsMax, retryDelayMsMin * 2 ** Math.min(this.#failures, 20));
    await pause(delayMs * (1 - Math.random() / 2), signal);
  }
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", aborted);
      resolve();
    }, ms);
    const aborted = (): void => {
      clearTimeout(timer);
      reject(ProglogError.from(signal?.reason, "CANCELLED"));
    };
    if (signal?.aborted === true) aborted();
    else signal?.addEventListener("abort", aborted, { once: true });
  });
}
