/** What one server tells another of a failure: a `ProglogError` as JSON, because it is rare and small. */
import { ERROR_CODES, ProglogError } from "./errors.ts";
import type { ErrorCode } from "./errors.ts";
import { errorTextCharsMax } from "./limits.ts";

export function encodeError(error: ProglogError): Uint8Array {
  const { code, notAppended } = error;
  const message = error.message.slice(0, errorTextCharsMax);
  const details = Object.fromEntries(
    Object.entries(error.details).map(([name, fact]) => [name, fact.slice(0, errorTextCharsMax)]),
  );
  return new TextEncoder().encode(JSON.stringify({ code, message, details, notAppended }));
}

/** The inverse. What a newer version says and this one does not know is `INTERNAL`. */
export function decodeError(bytes: Uint8Array): ProglogError {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    value = undefined;
  }
  const { code, message, details, notAppended } = (value ?? {}) as Record<string, unknown>;
  const isKnown = typeof code === "string" && Object.hasOwn(ERROR_CODES, code);
  return new ProglogError(
    isKnown ? (code as ErrorCode) : "INTERNAL",
    typeof message === "string" ? message : "another server failed without words",
    { details: factsOf(details), notAppended: notAppended === true },
  );
}

function factsOf(details: unknown): Record<string, string> {
  if (typeof details !== "object" || details === null) return {};
  const facts = Object.entries(details).filter(([, fact]) => typeof fact === "string");
  return Object.fromEntries(facts);
}
