/** The part of a trace that a caller told us of. Source: W3C Trace Context, level 1. */
export interface TraceContext {
  readonly traceId: string;
  readonly spanId: string;
  readonly isSampled: boolean;
}

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** A header `traceparent`; undefined for what is none. */
export function parseTraceparent(header: string | undefined): TraceContext | undefined {
  // Whoever sends a longer one speaks a version that we need not know.
  if (header === undefined || header.length > 128) return undefined;
  const [, version = "", traceId = "", spanId = "", flags = "", more] =
    TRACEPARENT.exec(header) ?? [];
  const isKnown = version === "00" ? more === undefined : version !== "" && version !== "ff";
  if (!isKnown || /^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, isSampled: (parseInt(flags, 16) & 1) === 1 };
}

export function formatTraceparent({ traceId, spanId, isSampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-${isSampled ? "01" : "00"}`;
}
