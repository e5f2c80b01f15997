import { offsetOutOfRange } from "../api/index.ts";
import type { CommitLog } from "./commit-log.ts";
import type { Exchange } from "./http-exchange.ts";
import { asWholeNumber, invalid, quote } from "./http-json.ts";
import { readFlag, readQuery } from "./http-query.ts";
import type { Query } from "./http-query.ts";
import type { GatewayContext } from "./http-context.ts";
import { RecordStream, STREAM_TYPES } from "./http-stream.ts";
import type { StreamKind } from "./http-stream.ts";

/** A day, or a moment that says its zone: without one it would be the server's. */
const TIME = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d))?$/;

const PARAMETERS = ["offset", "from", "limit", "follow", "min_offset"];

/**
 * `GET /v1/records?offset=&from=&limit=&follow=&min_offset=`: records from an offset on, as lines of
 * JSON, or as server-sent events when the client accepts those. Lines end with what is committed now
 * unless they shall follow; events follow unless they shall not, since their readers come back when a
 * stream ends. What "now" is begins when this server has the record at `min_offset`.
 */
export async function consumeRecords(context: GatewayContext, exchange: Exchange): Promise<void> {
  const { log, tails } = context;
  const { headers, method } = exchange.request;
  const kind: StreamKind = headers.accept?.includes(STREAM_TYPES.sse) === true ? "sse" : "ndjson";
  const query = readQuery(exchange.search, PARAMETERS);
  const follow = readFlag(query, "follow") ?? kind === "sse";
  const limit = readLimit(query);
  const resumeAt = kind === "sse" ? readLastEventId(headers["last-event-id"]) : undefined;
  const minOffset = query.get("min_offset");
  if (minOffset !== undefined) {
    await tails.waitFor(asWholeNumber(minOffset, "min_offset"), exchange.signal);
  }
  const offset = resumeAt ?? (await readStart(log, query, exchange));
  const maxRecords = follow ? limit : await countUntilEnd(log, offset, limit, exchange);
  if (offset < log.lowestOffset) throw offsetOutOfRange(offset, log);
  if (exchange.response.destroyed) return;
  exchange.throwIfRevoked();

  if (method === "HEAD" || (maxRecords === 0 && !follow)) {
    exchange.startStream(STREAM_TYPES[kind]);
    exchange.response.end();
    return;
  }
  const stream = new RecordStream(exchange, kind, context.limits, (closed) => {
    context.streams.delete(closed);
  });
  stream.follow(tails, { offset, maxRecords });
  context.streams.add(stream);
  exchange.follows(stream);
  exchange.startStream(STREAM_TYPES[kind]);
}

/** 0: no end. */
function readLimit(query: Query): number {
  const text = query.get("limit");
  if (text === undefined) return 0;
  const limit = asWholeNumber(text, "limit");
  if (limit === 0) throw invalid('"limit" is at least 1');
  return limit;
}

/** The offset after the last one that a reader of events has seen. */
function readLastEventId(header: string | string[] | undefined): number | undefined {
  if (header === undefined || header === "") return undefined;
  return asWholeNumber(header, "Last-Event-ID", Number.MAX_SAFE_INTEGER - 1) + 1;
}

async function readStart(log: CommitLog, query: Query, exchange: Exchange): Promise<number> {
  const offset = query.get("offset");
  const from = query.get("from");
  if (offset !== undefined) {
    if (from === undefined) return asWholeNumber(offset, "offset");
    throw invalid('"offset" and "from" are both given');
  }
  if (from === undefined || from === "start") return log.lowestOffset;
  if (from === "end") return log.highWatermark;
  if (/^\d+$/.test(from)) return asWholeNumber(from, "from");
  const timestampMs = TIME.test(from) ? Date.parse(from) : NaN;
  if (Number.isNaN(timestampMs)) {
    throw invalid(
      `"from" is start, end, an offset or a time such as 2026-01-31T12:00:00Z, not ${quote(from)}`,
    );
  }
  return (await log.offsetAtTime(timestampMs, exchange.signal)) ?? log.highWatermark;
}

/** How many records there are now, and wanted. Past the end there is nothing to read. */
async function countUntilEnd(
  log: CommitLog,
  offset: number,
  limit: number,
  exchange: Exchange,
): Promise<number> {
  if (offset >= log.highWatermark) await log.readBarrier(exchange.signal);
  if (offset > log.highWatermark) throw offsetOutOfRange(offset, log);
  return Math.min(limit || Infinity, Math.max(0, log.highWatermark - offset));
}
