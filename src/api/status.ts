import { ERROR_CODES } from "../base/index.ts";
import type { ErrorCode } from "../base/index.ts";

/** gRPC's status codes, by number: the wire's own, so that no library is needed to name them. */
export const GRPC_STATUS = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

const STATUS_NAMES = new Map<number, string>(
  Object.entries(GRPC_STATUS).map(([name, code]) => [code, name]),
);

/** `OUT_OF_RANGE` for 11; the number itself for what is none of gRPC's. */
export function statusName(code: number): string {
  return STATUS_NAMES.get(code) ?? String(code);
}

export interface WireStatus {
  readonly grpc: number;
  readonly http: number;
}

/** What each code is on either wire. Total: a new code does not compile until it is answered here. */
export const WIRE_STATUS: Readonly<Record<ErrorCode, WireStatus>> = Object.freeze({
  INVALID_ARGUMENT: { grpc: GRPC_STATUS.INVALID_ARGUMENT, http: 400 },
  RECORD_TOO_LARGE: { grpc: GRPC_STATUS.INVALID_ARGUMENT, http: 413 },
  BATCH_TOO_LARGE: { grpc: GRPC_STATUS.INVALID_ARGUMENT, http: 413 },
  CORRUPT_BATCH: { grpc: GRPC_STATUS.INVALID_ARGUMENT, http: 400 },
  UNSUPPORTED_COMPRESSION: { grpc: GRPC_STATUS.INVALID_ARGUMENT, http: 400 },
  UNKNOWN_LOG: { grpc: GRPC_STATUS.NOT_FOUND, http: 404 },
  UNKNOWN_METHOD: { grpc: GRPC_STATUS.UNIMPLEMENTED, http: 404 },
  OFFSET_OUT_OF_RANGE: { grpc: GRPC_STATUS.OUT_OF_RANGE, http: 404 },
  OFFSET_MISMATCH: { grpc: GRPC_STATUS.FAILED_PRECONDITION, http: 412 },
  UNKNOWN_PRODUCER: { grpc: GRPC_STATUS.FAILED_PRECONDITION, http: 409 },
  PRODUCER_FENCED: { grpc: GRPC_STATUS.FAILED_PRECONDITION, http: 409 },
  SEQUENCE_GAP: { grpc: GRPC_STATUS.FAILED_PRECONDITION, http: 409 },
  DUPLICATE_SEQUENCE: { grpc: GRPC_STATUS.FAILED_PRECONDITION, http: 409 },
  TOO_MANY_IN_FLIGHT: { grpc: GRPC_STATUS.RESOURCE_EXHAUSTED, http: 429 },
  UNAUTHENTICATED: { grpc: GRPC_STATUS.UNAUTHENTICATED, http: 401 },
  PERMISSION_DENIED: { grpc: GRPC_STATUS.PERMISSION_DENIED, http: 403 },
  NOT_LEADER: { grpc: GRPC_STATUS.UNAVAILABLE, http: 503 },
  UNAVAILABLE: { grpc: GRPC_STATUS.UNAVAILABLE, http: 503 },
  RESOURCE_EXHAUSTED: { grpc: GRPC_STATUS.RESOURCE_EXHAUSTED, http: 429 },
  DEADLINE_EXCEEDED: { grpc: GRPC_STATUS.DEADLINE_EXCEEDED, http: 504 },
  // 499 is nginx's "client closed request"; nobody is left to read it.
  CANCELLED: { grpc: GRPC_STATUS.CANCELLED, http: 499 },
  // The server is going away; another one may answer.
  CLOSED: { grpc: GRPC_STATUS.UNAVAILABLE, http: 503 },
  DATA_LOSS: { grpc: GRPC_STATUS.DATA_LOSS, http: 500 },
  STORAGE_FAILED: { grpc: GRPC_STATUS.INTERNAL, http: 500 },
  UNSUPPORTED_FORMAT: { grpc: GRPC_STATUS.INTERNAL, http: 500 },
  LOCKED: { grpc: GRPC_STATUS.INTERNAL, http: 500 },
  ADDRESS_IN_USE: { grpc: GRPC_STATUS.INTERNAL, http: 500 },
  REMOVED: { grpc: GRPC_STATUS.UNAVAILABLE, http: 503 },
  CONFIGURATION: { grpc: GRPC_STATUS.INTERNAL, http: 500 },
  INTERNAL: { grpc: GRPC_STATUS.INTERNAL, http: 500 },
});

/**
 * The nearest code of a gRPC status that came without our details: from a proxy, from the gRPC
 * library itself, or from a server that is not ours.
 */
export function codeOfGrpcStatus(status: number): ErrorCode {
  return FOREIGN[status] ?? "INTERNAL";
}

const FOREIGN: Readonly<Record<number, ErrorCode>> = {
  [GRPC_STATUS.CANCELLED]: "CANCELLED",
  [GRPC_STATUS.INVALID_ARGUMENT]: "INVALID_ARGUMENT",
  [GRPC_STATUS.DEADLINE_EXCEEDED]: "DEADLINE_EXCEEDED",
  [GRPC_STATUS.NOT_FOUND]: "UNKNOWN_LOG",
  [GRPC_STATUS.PERMISSION_DENIED]: "PERMISSION_DENIED",
  [GRPC_STATUS.RESOURCE_EXHAUSTED]: "RESOURCE_EXHAUSTED",
  [GRPC_STATUS.ABORTED]: "UNAVAILABLE",
  [GRPC_STATUS.OUT_OF_RANGE]: "OFFSET_OUT_OF_RANGE",
  [GRPC_STATUS.UNIMPLEMENTED]: "UNKNOWN_METHOD",
  [GRPC_STATUS.UNAVAILABLE]: "UNAVAILABLE",
  [GRPC_STATUS.DATA_LOSS]: "DATA_LOSS",
  [GRPC_STATUS.UNAUTHENTICATED]: "UNAUTHENTICATED",
};

/** Whether a word is one of our codes: what travels as `ErrorInfo.reason` may come from anybody. */
export function isErrorCode(word: string): word is ErrorCode {
  return Object.hasOwn(ERROR_CODES, word);
}
