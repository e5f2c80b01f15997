import { ERROR_CODES, type ErrorCode, type ErrorDetails, ProglogError } from "../base/index.ts";

/** The HTTP API's header that says: decided before anything was proposed. */
const NOT_APPENDED = "proglog-not-appended";

/** The nearest code of an answer that does not come from one of our servers, but from what is between. */
const BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: "INVALID_ARGUMENT",
  401: "UNAUTHENTICATED",
  403: "PERMISSION_DENIED",
  404: "UNKNOWN_METHOD",
  413: "BATCH_TOO_LARGE",
  429: "RESOURCE_EXHAUSTED",
  502: "UNAVAILABLE",
  503: "UNAVAILABLE",
  504: "DEADLINE_EXCEEDED",
};

/** The error that a server had, of its answer. */
export async function errorOfResponse(response: Response): Promise<ProglogError> {
  const notAppended = response.headers.get(NOT_APPENDED) === "1";
  const text = await response.text().catch(() => "");
  try {
    return errorOfBody(JSON.parse(text), notAppended);
  } catch {
    const code = BY_STATUS[response.status] ?? "INTERNAL";
    const message = `the server answered with HTTP status ${response.status}`;
    return new ProglogError(code, message, { notAppended });
  }
}

/** `{"error":{"code":…,"message":…,"details":…}}`; throws when it is anything else. */
export function errorOfBody(body: unknown, notAppended = false): ProglogError {
  const { code, message, details } = (body as { error: Record<string, unknown> }).error;
  if (typeof code !== "string" || !Object.hasOwn(ERROR_CODES, code)) {
    throw new ProglogError("INTERNAL", "the server's error cannot be read");
  }
  const facts = (details ?? {}) as ErrorDetails;
  return new ProglogError(code as ErrorCode, String(message), { details: facts, notAppended });
}

/** What `fetch` failed with: the caller's wish, or a server (at `url`) that is not there or went away. */
export function errorOfFetch(
  caught: unknown,
  url: string,
  signal: AbortSignal | undefined,
): ProglogError {
  if (caught instanceof ProglogError) return caught;
  if (signal?.aborted === true) return ProglogError.from(signal.reason, "CANCELLED");
  const message = `the server at ${url} cannot be reached: ${reasonOf(caught)}`;
  return new ProglogError("UNAVAILABLE", message, { cause: caught });
}

/** Some say only that it failed, and why one level below. */
function reasonOf(caught: unknown): string {
  if (!(caught instanceof Error)) return String(caught);
  const { message, cause } = caught;
  return cause instanceof Error && cause.message !== "" ? cause.message : message;
}
