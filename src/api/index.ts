/**
 * # api: the words on the wire
 *
 * What `proto/log/v1/log.proto` and `proto/cluster/v1/cluster.proto` say, for servers and clients: the methods with their paths, the
 * messages between bytes and plain values, and each error code as a gRPC status, an HTTP status and
 * `google.rpc` details, both ways.
 *
 * The messages of records and batches are encoded by hand, on bytes: a record passes through a
 * server as views of the buffers it came in, and is written once into the buffer it leaves in. The
 * rare messages go through the generated code (`gen/`), which is also the oracle that the
 * hand-written half is tested against.
 *
 * Invariants: whatever bytes come in, a decoder gives a value or throws a `ProglogError` with
 * `INVALID_ARGUMENT`; an offset is exact, as a number up to 2^53−1 and as a bigint above; unknown
 * fields are passed over; every error code has an answer on either wire.
 *
 * Left out on purpose: what the methods do (`server`), how they are called (`client`), JSON.
 */
export * from "./batch-codec.ts";
export * from "./cluster-codec.ts";
export * from "./consume-codec.ts";
export * from "./control-codec.ts";
export { CLUSTER_FILE_DESCRIPTOR, LOG_FILE_DESCRIPTOR } from "./descriptor.ts";
export * from "./error-details.ts";
export { gunzipBounded } from "./gunzip.ts";
export * from "./methods.ts";
export * from "./produce-codec.ts";
export type { ServedRecord } from "./record-codec.ts";
export * from "./status.ts";
