/** The HTTP API as an OpenAPI 3.1 document. What it says of routes and statuses is tested against them. */
import { NOT_APPENDED_HEADER } from "../api/index.ts";
import { SCHEMAS } from "./http-openapi-schemas.ts";

type Json = Readonly<Record<string, unknown>>;

const NOT_APPENDED = { [NOT_APPENDED_HEADER]: { $ref: "#/components/headers/NotAppended" } };

/** What any request may be answered, besides what is its own. */
const COMMON_ERRORS: Readonly<Record<string, string>> = {
  400: "The request is wrong, and why.",
  403: "A foreign `Host` or `Origin`.",
  500: "The server failed, or its disk did.",
  503: "Not now; the same request may succeed later.",
};

const READ_ERRORS = { 404: "There is no such record." };

const APPEND_ERRORS = {
  409: "The producer's stamp is unknown, fenced, or out of sequence.",
  412: "The next offset is not the expected one.",
  413: "The body, a record or the batch is too large.",
  429: "Too much is waiting to be appended, or the disk is full.",
  504: "Nothing is known of the append within the time.",
};

function schema(name: string): Json {
  return { $ref: `#/components/schemas/${name}` };
}

function json(name: string): Json {
  return { "application/json": { schema: schema(name) } };
}

function errors(own: Readonly<Record<string, string>>, headers?: Json): Json {
  const all = Object.entries({ ...COMMON_ERRORS, ...own });
  return Object.fromEntries(
    all.map(([status, description]) => [
      status,
      { description, content: json("Error"), ...(headers === undefined ? {} : { headers }) },
    ]),
  );
}

interface Operation {
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  readonly parameters?: readonly unknown[];
  readonly requestBody?: Json;
  /** Of 200. */
  readonly content: Json;
  readonly errors?: Readonly<Record<string, string>>;
  readonly errorHeaders?: Json;
}

function operation(operationId: string, parts: Operation): Json {
  const { tag, summary, description, parameters, requestBody, content } = parts;
  return {
    operationId,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    ...(parameters === undefined ? {} : { parameters }),
    ...(requestBody === undefined ? {} : { requestBody }),
    responses: {
      200: { description: "OK", content },
      ...errors(parts.errors ?? {}, parts.errorHeaders),
    },
  };
}

function inQuery(name: string, description: string, valueSchema: Json): Json {
  return { name, in: "query", required: false, description, schema: valueSchema };
}

const produceOne = operation("produceOne", {
  tag: "Records",
  summary: "Append one record, given as base64",
  description: "Answered once the record is durable. The content type does not matter.",
  requestBody: { required: true, content: json("BookProduceRequest") },
  content: json("BookProduceResponse"),
  errors: APPEND_ERRORS,
  errorHeaders: NOT_APPENDED,
});

const consumeOne = operation("consumeOne", {
  tag: "Records",
  summary: "Read the record at one offset",
  description: 'The offset may also be the body of the request, as `{"offset":0}`.',
  parameters: [inQuery("offset", "The record's place in the log.", schema("Offset"))],
  requestBody: { required: false, content: json("BookConsumeRequest") },
  content: json("BookConsumeResponse"),
  errors: READ_ERRORS,
});

const produceRecords = operation("produceRecords", {
  tag: "Records",
  summary: "Append records",
  description: [
    "The records of one request are one batch: they get neighbouring offsets in their order, and",
    "either all of them are appended or none. In lines of JSON each line is a record, and the",
    "conditions are parameters.",
  ].join(" "),
  parameters: [
    inQuery("expected_offset", "Lines only: see `ProduceRequest`.", schema("Offset")),
    inQuery("producer_id", "Lines only, all three or none.", schema("Offset")),
    inQuery("producer_epoch", "Lines only.", { type: "integer", minimum: 0, maximum: 32767 }),
    inQuery("producer_sequence", "Lines only; of the first record.", {
      type: "integer",
      minimum: 0,
      maximum: 2147483647,
    }),
  ],
  requestBody: {
    required: true,
    content: {
      ...json("ProduceRequest"),
      "application/x-ndjson": { schema: schema("NewRecord") },
    },
  },
  content: json("ProduceResponse"),
  errors: APPEND_ERRORS,
  errorHeaders: NOT_APPENDED,
});

const consumeRecords = operation("consumeRecords", {
  tag: "Records",
  summary: "Read records from an offset on, and follow the log",
  description: [
    "Lines of JSON, a record each; or server-sent events when they are accepted, with the offset as",
    "the event's id. An error after the beginning is the last line (an `Error`), or the event",
    "`failure`. Lines end with what is committed now, events follow, unless `follow` says otherwise.",
  ].join(" "),
  parameters: [
    inQuery("offset", "Where to begin. Without it and `from`: at the start.", schema("Offset")),
    inQuery("from", "`start`, `end`, an offset, or a time such as 2026-01-31T12:00:00Z.", {
      type: "string",
    }),
    inQuery("limit", "Ends after so many records.", { type: "integer", minimum: 1 }),
    inQuery("follow", "Wait for records that are not there yet.", { type: "boolean" }),
    inQuery(
      "min_offset",
      "Wait until this server has the record at this offset before answering: one that the client was told of, which may be newer than what this server knows.",
      schema("Offset"),
    ),
    {
      name: "Last-Event-ID",
      in: "header",
      required: false,
      description:
        "Events only: the last offset that was received. Stands above `offset` and `from`.",
      schema: schema("Offset"),
    },
  ],
  content: {
    "application/x-ndjson": { schema: schema("Record") },
    "text/event-stream": { schema: { type: "string" } },
  },
  errors: { ...READ_ERRORS, 429: "Too many follow the log." },
});

const getServers = operation("getServers", {
  tag: "Cluster",
  summary: "The servers of the cluster, and which of them leads",
  content: json("Servers"),
});

const getOffsets = operation("getOffsets", {
  tag: "Records",
  summary: "The log's first and next offset, and the first one at or after a time",
  parameters: [inQuery("timestamp_ms", "Milliseconds since 1970.", schema("Offset"))],
  content: json("Offsets"),
});

const getHealth = operation("getHealth", {
  tag: "Operations",
  summary: "Whether the process answers",
  content: json("Status"),
});

const getReadiness = operation("getReadiness", {
  tag: "Operations",
  summary: "Whether the server should be given work",
  content: json("Status"),
});

const getMetrics = operation("getMetrics", {
  tag: "Operations",
  summary: "Metrics in Prometheus' text format",
  content: { "text/plain": { schema: { type: "string" } } },
  errors: { 404: "The server collects no metrics." },
});

const getOpenApi = operation("getOpenApi", {
  tag: "Operations",
  summary: "This document",
  content: { "application/json": { schema: { type: "object" } } },
});

export const OPENAPI: Json = {
  openapi: "3.1.0",
  info: {
    title: "proglog",
    version: "1.0.0",
    summary: "A distributed commit log over HTTP",
    description: [
      "One durable, totally ordered, append-only log. Offsets are numbers up to 2^53−1 and are",
      "accepted as decimal strings too. A failure looks like `Error`; a failed append that carries",
      "the header `proglog-not-appended: 1` is not in the log, and of any other one nothing is known.",
    ].join(" "),
    license: { name: "Apache-2.0", identifier: "Apache-2.0" },
  },
  servers: [{ url: "/" }],
  security: [],
  tags: [
    { name: "Records", description: "Append and read." },
    { name: "Cluster", description: "Who serves." },
    { name: "Operations", description: "How the server does." },
  ],
  paths: {
    "/": { get: consumeOne, post: produceOne },
    "/v1/records": { get: consumeRecords, post: produceRecords },
    "/v1/servers": { get: getServers },
    "/v1/offsets": { get: getOffsets },
    "/healthz": { get: getHealth },
    "/readyz": { get: getReadiness },
    "/metrics": { get: getMetrics },
    "/openapi.json": { get: getOpenApi },
  },
  components: {
    schemas: SCHEMAS,
    headers: {
      NotAppended: {
        description: "Decided before anything was appended: the records are not in the log.",
        schema: { type: "string", const: "1" },
      },
    },
  },
};
