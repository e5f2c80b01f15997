import { AssertionError, ProglogError } from "../base/index.ts";

/**
 * What a service answers for something caught. A broken assertion is no answer: it is thrown again
 * where nobody catches it, and ends the process.
 */
export function failureOf(caught: unknown): ProglogError {
  if (caught instanceof AssertionError) {
    queueMicrotask(() => {
      throw caught;
    });
  }
  return ProglogError.from(caught);
}

/** The same for an append: nothing had been proposed when this was caught. */
export function refusalOf(caught: unknown): ProglogError {
  const failure = failureOf(caught);
  if (failure.notAppended) return failure;
  const { code, message, details } = failure;
  return new ProglogError(code, message, { cause: failure, details, notAppended: true });
}
