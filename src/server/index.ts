/**
 * # server: what clients meet
 *
 * The services over one commit log, which is whatever keeps the promises of `CommitLog`: appends
 * answered when they are durable, reads of what is committed, a call after each commit. The methods
 * of `log.v1.Log` are here one idea to a file: `produce` and `produce-stream` (pipelined, answered in
 * order), `consume` and `consume-stream`, and `Tails`, which serves everyone who waits for the end of
 * the log, on gRPC and on HTTP alike.
 *
 * Invariants: bytes stay bytes from the socket to the log and back; what one stream, one server and
 * one turn of the event loop may hold is bounded by `limits`; work ends with the call that asked for
 * it; `notAppended` is said only of what was refused before it was proposed.
 *
 * Left out on purpose: who may do what (interceptors, set by the agent), where connections come from
 * (`transport`), and how the log does what it promises (`replica`).
 */
export type { CommitLog, ServerInfo, ServersInfo } from "./commit-log.ts";
export { readRecord } from "./consume.ts";
export { GrpcServer, type GrpcServerOptions } from "./grpc-server.ts";
export type { RecordFormat } from "./tail-page.ts";
export type { TailOptions, TailSink, TailStream } from "./tail-stream.ts";
export { Tails } from "./tails.ts";
