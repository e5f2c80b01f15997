/**
 * # client: the log from a program
 *
 * `connect` gives a `Client`: produce and read one record, follow the log as an async iterable, or
 * open a `Producer`, which packs records into batches and keeps a few of them under way. All of it
 * speaks gRPC (`proto/log/v1/log.proto`) and hands out plain objects and bytes.
 *
 * ```ts
 * import { connect } from "proglog";
 *
 * await using client = connect("127.0.0.1:8400");
 * const { offset } = await client.produce({ value: Buffer.from("Let's Go #1") });
 * const record = await client.read(offset);
 *
 * await using producer = client.producer();
 * const sent = await producer.send({ value: Buffer.from("Let's Go #2") }); // there was room
 * const ack = await sent.ack; // it is durable
 *
 * for await (const { offset, value } of client.records({ from: "start" })) {
 *   console.log(offset, Buffer.from(value ?? []).toString());
 * }
 * ```
 *
 * Invariants: what is acknowledged is durable; an append is repeated only if that cannot append it
 * twice; records come in the order of the log, each once, over any number of broken connections;
 * every buffer is bounded (`base/limits.ts`), and nothing stays open after `close`.
 *
 * The address is that of one server or of several, `host:port,host:port`: the others are found, appends
 * go to the leader and reads to the followers, and both follow what happens to the cluster
 * (`resolver.ts`, `balancer.ts`, `picker.ts`; `proglog://host:port` for a plain gRPC channel).
 *
 * Left out on purpose: consumer groups, transactions, compression by the producer.
 */
export type {
  ClusterMember,
  ClusterStatus,
  ControlMethodName,
  ControlMethods,
  Offsets,
  RetentionSettings,
  ServerListing,
  ServerListings,
} from "../api/index.ts";
export { type ErrorCode, type ErrorDetails, ProglogError } from "../base/index.ts";
export type { RecordHeader, RecordInput } from "../base/index.ts";
export { Client, connect, type ConnectOptions } from "./client.ts";
export { bytes, type Codec, json, type JsonValue, text } from "./codec.ts";
export { ClusterClient } from "./cluster.ts";
export type { CallOptions } from "./connection.ts";
export type { ClientTls } from "./credentials.ts";
export type {
  Position,
  ProduceAnswer,
  ProduceOptions,
  ReadOptions,
  RecordsOptions,
} from "./options.ts";
export { type Ack, Sent } from "./pending-batch.ts";
export { Producer, type ProducerOptions } from "./producer.ts";
export { type LogRecord, RecordStream } from "./record-stream.ts";
export { registerScheme } from "./resolver.ts";
export type { RetryPolicy } from "./retry.ts";
export type { InputOf, Issue, OutputOf, StandardSchema, Validation } from "./standard-schema.ts";
export {
  type BytesLog,
  type InvalidRecord,
  type RecordMeta,
  TypedLog,
  TypedProducer,
  type TypedRecord,
  type ValidRecord,
  type ValuesOptions,
} from "./typed-log.ts";
