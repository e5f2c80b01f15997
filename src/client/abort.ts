import { ProglogError } from "../base/index.ts";

/** Why a caller's signal ended a call: its deadline or its wish. */
export function abortError(signal: AbortSignal): ProglogError {
  const reason: unknown = signal.reason;
  if (reason instanceof ProglogError) return reason;
  const timedOut = reason instanceof Error && reason.name === "TimeoutError";
  const code = timedOut ? "DEADLINE_EXCEEDED" : "CANCELLED";
  const sentence = timedOut ? "the caller's time is over" : "the caller cancelled";
  return new ProglogError(code, sentence, { cause: reason });
}

/** Calls back with `abortError`, at once if the signal is aborted already; the result unsubscribes. */
export function onAbort(
  signal: AbortSignal | undefined,
  callback: (error: ProglogError) => void,
): () => void {
  if (signal === undefined) return () => undefined;
  const aborted = (): void => callback(abortError(signal));
  if (signal.aborted) {
    aborted();
    return () => undefined;
  }
  signal.addEventListener("abort", aborted, { once: true });
  return () => signal.removeEventListener("abort", aborted);
}

/** The promise, or the signal if that is first. The promise is left to run. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise<T>((resolve, reject) => {
    const release = onAbort(signal, reject);
    void promise.then(resolve, reject).finally(release);
  });
}
