/**
 * # server: what clients meet
 *
 * The services over one commit log, which is whatever keeps the promises of `CommitLog`: appends
 * answered when they are durable, reads of what is committed, a call after each commit. The methods
 * of `log.v1.Log` are here one idea to a file: `produce` and `produce-stream` (pipelined, answered in
 * order), `consume` and `consume-stream`, and `Tails`, which serves everyone who waits for the end of
 * the log, on gRPC and on HTTP alike.
 *
 * `cluster-service` is what operators ask (`cluster.v1.Cluster`), of whatever keeps `ClusterControl`.
 *
 * The same log over HTTP/1.1 and JSON is in the files `http-*`: `http-gateway` takes the requests, to
 * `http-routes`; `http-origin` says from which pages they may come; `http-openapi` describes them.
 *
 * What each method and each route asks of its caller stands in one table, `permissions`; `gate` lets
 * calls in by it, tells of every denial, and ends what is not allowed any more. `grpc-connections`
 * knows who is at the other end, and what a connection may cost.
 *
 * Invariants: bytes stay bytes from the socket to the log and back; what one stream, one server and
 * one turn of the event loop may hold is bounded by `limits`; work ends with the call that asked for
 * it; `notAppended` is said only of what was refused before it was proposed.
 *
 * Left out on purpose: who a caller is and what the policy says (`auth`), where connections come from
 * (`transport`), and how the log does what it promises (`replica`).
 */
export type { ClusterControl } from "./cluster-service.ts";
export type { CommitLog, ServerInfo, ServersInfo } from "./commit-log.ts";
export { readRecord } from "./consume.ts";
export { type Authorizer, type Caller, Gate, type GateOptions } from "./gate.ts";
export { GrpcServer, type GrpcServerOptions } from "./grpc-server.ts";
export { HealthServer, type HealthServerOptions } from "./health-server.ts";
export type { Readiness } from "./http-context.ts";
export { createHttpGateway, type HttpGateway, type HttpGatewayOptions } from "./http-gateway.ts";
export { HTTP_LIMITS, type HttpLimits } from "./http-limits.ts";
export type { RecordFormat } from "./tail-page.ts";
export type { TailOptions, TailSink, TailStream } from "./tail-stream.ts";
export { Tails } from "./tails.ts";
