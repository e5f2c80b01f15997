import type { Row } from "../support/row.ts";

/** A row as it is listed; it is loaded in a process of its own. */
interface ListedRow {
  readonly title: string;
  readonly load: () => Promise<{ readonly row: Row }>;
  /** Longer than this and its processes are ended, and the row has failed. */
  readonly minutesMax: number;
}

export type RowName =
  | "embedded-append"
  | "embedded-read"
  | "unary-produce"
  | "telemetry"
  | "produce-stream"
  | "produce-batches"
  | "consume-batches"
  | "consume-stream"
  | "peers"
  | "open-log"
  | "tail-latency"
  | "idle-streams"
  | "many-tails"
  | "cluster-produce"
  | "cluster-consume"
  | "cluster-length"
  | "cluster-catch-up"
  | "cluster-tails"
  | "deployed";

/** In the order of the table. */
export const ROWS: Readonly<Record<RowName, ListedRow>> = {
  "embedded-append": {
    title: "the engine alone: appends, one fsync a batch",
    load: () => import("./embedded-append.ts"),
    minutesMax: 3,
  },
  "embedded-read": {
    title: "the engine alone: sequential reads, decoded",
    load: () => import("./embedded-read.ts"),
    minutesMax: 3,
  },
  "unary-produce": {
    title: "unary Produce: processor time of the server, against grpc-js alone",
    load: () => import("./unary-produce.ts"),
    minutesMax: 4,
  },
  telemetry: {
    title: "what telemetry costs a unary Produce, against the same server without",
    load: () => import("./telemetry.ts"),
    minutesMax: 6,
  },
  "produce-stream": {
    title: "ProduceStream, against grpc-js alone",
    load: () => import("./produce-stream.ts"),
    minutesMax: 4,
  },
  "produce-batches": {
    title: "our client's producer, against grpc-js alone",
    load: () => import("./produce-batches.ts"),
    minutesMax: 4,
  },
  "consume-batches": {
    title: "our client's consumer, against grpc-js alone",
    load: () => import("./consume-batches.ts"),
    minutesMax: 4,
  },
  "consume-stream": {
    title: "ConsumeStream, against grpc-js alone",
    load: () => import("./consume-stream.ts"),
    minutesMax: 4,
  },
  peers: {
    title: "NATS JetStream and Redis Streams, where they are installed",
    load: () => import("./peers.ts"),
    minutesMax: 8,
  },
  "open-log": {
    title: "opening a log of 10 MB, 1 GB and (--full) 10 GB: time and memory",
    load: () => import("./open-log.ts"),
    minutesMax: 15,
  },
  "tail-latency": {
    title: "from a producer to a consumer at the tail, against a sync and a round trip",
    load: () => import("./tail-latency.ts"),
    minutesMax: 5,
  },
  "idle-streams": {
    title: "memory with 10,000 idle streams, against grpc-js alone",
    load: () => import("./idle-streams.ts"),
    minutesMax: 4,
  },
  "many-tails": {
    title: "the server's event loop while 10,000 streams follow the log",
    load: () => import("./many-tails.ts"),
    minutesMax: 3,
  },
  "cluster-produce": {
    title: "three replicas on this machine, against one, and NATS JetStream with three",
    load: () => import("./cluster-produce.ts"),
    minutesMax: 5,
  },
  "cluster-consume": {
    title: "our client's consumer at the followers of three, against grpc-js alone",
    load: () => import("./cluster-consume.ts"),
    minutesMax: 4,
  },
  "cluster-length": {
    title: "what a record costs behind 10^5, 10^6 and 10^7 others, against 10^4",
    load: () => import("./cluster-length.ts"),
    minutesMax: 5,
  },
  "cluster-catch-up": {
    title: "what producers notice of a follower that is a million records behind",
    load: () => import("./cluster-catch-up.ts"),
    minutesMax: 5,
  },
  "cluster-tails": {
    title: "the leader's event loop while 10,000 streams follow the log there",
    load: () => import("./cluster-tails.ts"),
    minutesMax: 3,
  },
  deployed: {
    title: "what a server costs at rest: its start, its memory, its image",
    load: () => import("./deployed.ts"),
    minutesMax: 3,
  },
};
