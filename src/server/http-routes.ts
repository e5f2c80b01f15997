import { consumeOne, produceOne } from "./http-book.ts";
import { consumeRecords } from "./http-consume.ts";
import type { GatewayContext } from "./http-context.ts";
import type { Exchange } from "./http-exchange.ts";
import {
  getHealth,
  getMetrics,
  getOffsets,
  getOpenApi,
  getReadiness,
  getServers,
} from "./http-operations.ts";
import { produceRecords } from "./http-produce.ts";

export type Handler = (context: GatewayContext, exchange: Exchange) => Promise<void> | void;

/** What a path does. A `HEAD` is answered as the `GET`, without its body. */
export type Route = Readonly<Partial<Record<"GET" | "POST", Handler>>>;

/** Paths are taken as they are written: nothing is decoded, joined or forgiven. */
export const ROUTES: ReadonlyMap<string, Route> = new Map<string, Route>([
  ["/", { GET: consumeOne, POST: produceOne }],
  ["/v1/records", { GET: consumeRecords, POST: produceRecords }],
  ["/v1/servers", { GET: getServers }],
  ["/v1/offsets", { GET: getOffsets }],
  ["/healthz", { GET: getHealth }],
  ["/readyz", { GET: getReadiness }],
  ["/metrics", { GET: getMetrics }],
  ["/openapi.json", { GET: getOpenApi }],
]);

export function handlerOf(route: Route, method: string): Handler | undefined {
  if (method === "GET" || method === "HEAD") return route.GET;
  return method === "POST" ? route.POST : undefined;
}

/** For `Allow`. */
export function methodsOf(route: Route): string {
  const methods = [route.GET && "GET, HEAD", route.POST && "POST", "OPTIONS"];
  return methods.filter((method) => method !== undefined).join(", ");
}
