import { limits } from "../base/index.ts";

/** The bounds of the HTTP gateway, so that a test or an operator can have others than `base/limits.ts`. */
export interface HttpLimits {
  readonly bodyBytesMax: number;
  /** Of all requests together, while they are received. */
  readonly bodiesBytesMax: number;
  readonly headerBytesMax: number;
  readonly jsonDepthMax: number;
  /** Records of one `POST /v1/records`. */
  readonly recordsMax: number;
  /** Written to one stream and not yet taken by its reader. */
  readonly streamBufferBytesMax: number;
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly timeoutsCheckIntervalMs: number;
  readonly lingerMs: number;
  readonly lingerBytesMax: number;
  readonly heartbeatMs: number;
}

export const HTTP_LIMITS: HttpLimits = Object.freeze({
  bodyBytesMax: limits.httpBodyBytesMax,
  bodiesBytesMax: limits.httpBodiesBytesMax,
  headerBytesMax: limits.httpHeaderBytesMax,
  jsonDepthMax: limits.jsonDepthMax,
  recordsMax: limits.httpRecordsMax,
  streamBufferBytesMax: limits.streamBufferBytesMax,
  headersTimeoutMs: limits.httpHeadersTimeoutMs,
  requestTimeoutMs: limits.httpRequestTimeoutMs,
  idleTimeoutMs: limits.httpIdleTimeoutMs,
  timeoutsCheckIntervalMs: limits.httpTimeoutsCheckIntervalMs,
  lingerMs: limits.httpLingerMs,
  lingerBytesMax: limits.httpLingerBytesMax,
  heartbeatMs: limits.sseHeartbeatMs,
});
