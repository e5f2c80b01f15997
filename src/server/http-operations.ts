/** What operators and their tools ask: who serves, how far the log is, how the server does. */
import { ProglogError } from "../base/index.ts";
import type { GatewayContext } from "./http-context.ts";
import type { Exchange } from "./http-exchange.ts";
import { asWholeNumber } from "./http-json.ts";
import { OPENAPI } from "./http-openapi.ts";
import { readQuery } from "./http-query.ts";

const PROMETHEUS_TYPE = "text/plain; version=0.0.4; charset=utf-8";
const NOT_CACHED = { "cache-control": "no-store" };

export function getServers({ log }: GatewayContext, exchange: Exchange): void {
  readQuery(exchange.search, []);
  const { servers, clusterId, term } = log.servers();
  exchange.json(200, {
    servers: servers.map((server) => ({
      id: server.id,
      rpc_addr: server.rpcAddress,
      http_addr: server.httpAddress,
      is_leader: server.isLeader,
      role: server.role,
      high_watermark: server.highWatermark ?? null,
      fsync_relaxed: server.fsyncRelaxed,
    })),
    cluster_id: clusterId,
    term,
  });
}

export async function getOffsets({ log }: GatewayContext, exchange: Exchange): Promise<void> {
  const timestamp = readQuery(exchange.search, ["timestamp_ms"]).get("timestamp_ms");
  if (timestamp === undefined) {
    exchange.json(200, { lowest: log.lowestOffset, next: log.highWatermark });
    return;
  }
  const timestampMs = asWholeNumber(timestamp, "timestamp_ms");
  const offset = await log.offsetAtTime(timestampMs, exchange.signal);
  const at = { at_timestamp: offset ?? null };
  exchange.json(200, { lowest: log.lowestOffset, next: log.highWatermark, ...at });
}

/** The process answers; that is all that is said. */
export function getHealth(_context: GatewayContext, exchange: Exchange): void {
  exchange.json(200, { status: "ok" }, NOT_CACHED);
}

export function getReadiness({ readiness }: GatewayContext, exchange: Exchange): void {
  const answer = readiness();
  if (!answer.ready) throw new ProglogError("UNAVAILABLE", answer.reason);
  exchange.json(200, { status: "ready" }, NOT_CACHED);
}

export async function getMetrics({ metrics }: GatewayContext, exchange: Exchange): Promise<void> {
  if (metrics === undefined) {
    throw new ProglogError("UNKNOWN_METHOD", "this server collects no metrics");
  }
  exchange.answer(200, PROMETHEUS_TYPE, await metrics(), NOT_CACHED);
}

export function getOpenApi(_context: GatewayContext, exchange: Exchange): void {
  exchange.json(200, OPENAPI);
}
