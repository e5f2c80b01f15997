import { ProglogError } from "../base/index.ts";

/** The same error of something of which nothing was sent: for certain it is in no log. */
export function notSent(caught: unknown): ProglogError {
  const error = ProglogError.from(caught);
  if (error.notAppended) return error;
  const { code, message, details } = error;
  return new ProglogError(code, message, { cause: caught, details, notAppended: true });
}
