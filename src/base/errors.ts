export type ErrorCode =
  | "INVALID_ARGUMENT"
  | "RECORD_TOO_LARGE"
  | "BATCH_TOO_LARGE"
  | "CORRUPT_BATCH"
  | "UNSUPPORTED_COMPRESSION"
  | "UNKNOWN_LOG"
  | "UNKNOWN_METHOD"
  | "OFFSET_OUT_OF_RANGE"
  | "OFFSET_MISMATCH"
  | "UNKNOWN_PRODUCER"
  | "PRODUCER_FENCED"
  | "SEQUENCE_GAP"
  | "DUPLICATE_SEQUENCE"
  | "TOO_MANY_IN_FLIGHT"
  | "UNAUTHENTICATED"
  | "PERMISSION_DENIED"
  | "NOT_LEADER"
  | "UNAVAILABLE"
  | "RESOURCE_EXHAUSTED"
  | "DEADLINE_EXCEEDED"
  | "CANCELLED"
  | "CLOSED"
  | "DATA_LOSS"
  | "STORAGE_FAILED"
  | "UNSUPPORTED_FORMAT"
  | "LOCKED"
  | "ADDRESS_IN_USE"
  | "REMOVED"
  | "CONFIGURATION"
  | "INTERNAL";

/**
 * The one list of what can go wrong in the world. Each code has one gRPC status and one HTTP status
 * (`api/status.ts`), and says whether the same call may be repeated as it is.
 */
export const ERROR_CODES: Readonly<Record<ErrorCode, { readonly retryable: boolean }>> =
  Object.freeze({
    // The request is wrong; repeating it cannot help.
    INVALID_ARGUMENT: { retryable: false },
    RECORD_TOO_LARGE: { retryable: false },
    BATCH_TOO_LARGE: { retryable: false },
    CORRUPT_BATCH: { retryable: false },
    UNSUPPORTED_COMPRESSION: { retryable: false },
    UNKNOWN_LOG: { retryable: false },
    UNKNOWN_METHOD: { retryable: false },
    OFFSET_OUT_OF_RANGE: { retryable: false },
    /** `expected_offset` named another offset than the next one. */
    OFFSET_MISMATCH: { retryable: false },
    // Idempotent producers (contract of stamps: id, epoch, sequence).
    UNKNOWN_PRODUCER: { retryable: false },
    PRODUCER_FENCED: { retryable: false },
    SEQUENCE_GAP: { retryable: false },
    DUPLICATE_SEQUENCE: { retryable: false },
    TOO_MANY_IN_FLIGHT: { retryable: true },
    // Who is asking.
    UNAUTHENTICATED: { retryable: false },
    PERMISSION_DENIED: { retryable: false },
    // The state of the service.
    NOT_LEADER: { retryable: true },
    UNAVAILABLE: { retryable: true },
    RESOURCE_EXHAUSTED: { retryable: true },
    DEADLINE_EXCEEDED: { retryable: true },
    CANCELLED: { retryable: false },
    CLOSED: { retryable: false },
    // Storage.
    DATA_LOSS: { retryable: false },
    STORAGE_FAILED: { retryable: false },
    UNSUPPORTED_FORMAT: { retryable: false },
    LOCKED: { retryable: false },
    ADDRESS_IN_USE: { retryable: false },
    /** This server was removed from its cluster. */
    REMOVED: { retryable: false },
    CONFIGURATION: { retryable: false },
    INTERNAL: { retryable: false },
  });

/** Facts about an error, as short strings: they travel as `google.rpc.ErrorInfo.metadata`. */
export type ErrorDetails = Readonly<Record<string, string>>;

export interface ProglogErrorOptions {
  readonly cause?: unknown;
  readonly details?: ErrorDetails;
  /** True only when it was decided, before anything was proposed, that the append does not happen. */
  readonly notAppended?: boolean;
}

/** The one error class of the package: a code from the frozen list, a sentence, and named facts. */
export class ProglogError extends Error {
  override readonly name = "ProglogError";
  readonly code: ErrorCode;
  readonly details: ErrorDetails;
  readonly notAppended: boolean;

  constructor(code: ErrorCode, message: string, options: ProglogErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
    this.notAppended = options.notAppended ?? false;
  }

  /** Whether repeating the same call may succeed. Says nothing about duplicates. */
  get retryable(): boolean {
    return ERROR_CODES[this.code].retryable;
  }

  /** Turns anything caught into a `ProglogError`; what we do not know is `INTERNAL`. */
  static from(caught: unknown, code: ErrorCode = "INTERNAL"): ProglogError {
    if (caught instanceof ProglogError) return caught;
    if (caught instanceof Error) {
      const cancelled = caught.name === "AbortError" || caught.name === "TimeoutError";
      const known = caught.name === "TimeoutError" ? "DEADLINE_EXCEEDED" : "CANCELLED";
      return new ProglogError(cancelled ? known : code, caught.message, { cause: caught });
    }
    return new ProglogError(code, String(caught), { cause: caught });
  }
}
