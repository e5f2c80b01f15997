/** The table of doors: what each method and each route asks of its caller. Nothing else decides it. */
import { LOG_METHODS } from "../api/index.ts";
import type { LogMethodName } from "../api/index.ts";

export type Action = "produce" | "consume" | "administer";

/** Any one of these is enough. None: nobody is asked. */
export type Permission = readonly Action[];

const PRODUCE: Permission = Object.freeze(["produce"] as const);
const CONSUME: Permission = Object.freeze(["consume"] as const);
/** Whoever uses the log at all. */
const USE: Permission = Object.freeze(["produce", "consume"] as const);
const ADMINISTER: Permission = Object.freeze(["administer"] as const);
const OPEN: Permission = Object.freeze([]);

/** Total: a method that is added does not compile before it stands here. */
const LOG: Readonly<Record<LogMethodName, Permission>> = {
  Produce: PRODUCE,
  ProduceStream: PRODUCE,
  ProduceBatches: PRODUCE,
  CreateProducer: PRODUCE,
  Consume: CONSUME,
  ConsumeStream: CONSUME,
  ConsumeBatches: CONSUME,
  GetServers: USE,
  GetOffsets: USE,
};

/** All methods of a service alike. */
const SERVICES: readonly (readonly [prefix: string, permission: Permission])[] = [
  ["/grpc.health.v1.Health/", OPEN],
  ["/grpc.reflection.v1.ServerReflection/", ADMINISTER],
  ["/grpc.reflection.v1alpha.ServerReflection/", ADMINISTER],
  ["/cluster.v1.Cluster/", ADMINISTER],
];

/** By method and path as they are written; a `HEAD` is a `GET`. */
const ROUTES: Readonly<Record<string, Permission>> = {
  "GET /": CONSUME,
  "POST /": PRODUCE,
  "GET /v1/records": CONSUME,
  "POST /v1/records": PRODUCE,
  "GET /v1/servers": USE,
  "GET /v1/offsets": USE,
  "GET /openapi.json": USE,
  "GET /metrics": ADMINISTER,
  "GET /healthz": OPEN,
  "GET /readyz": OPEN,
};

const methods = new Map<string, Permission>(
  Object.entries(LOG_METHODS).map(([name, { path }]) => [path, LOG[name as LogMethodName]]),
);

/** Of a gRPC method by its path. Undefined: it is not in the table, and nobody may call it. */
export function permissionOfMethod(path: string): Permission | undefined {
  return methods.get(path) ?? SERVICES.find(([prefix]) => path.startsWith(prefix))?.[1];
}

/** The same of a route of the HTTP gateway. */
export function permissionOfRoute(method: string, path: string): Permission | undefined {
  const name = `${method === "HEAD" ? "GET" : method} ${path}`;
  return Object.hasOwn(ROUTES, name) ? ROUTES[name] : undefined;
}
