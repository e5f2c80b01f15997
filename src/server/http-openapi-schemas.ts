/** The shapes of the HTTP API, as JSON Schema 2020-12. */
import { ERROR_CODES, limits } from "../base/index.ts";

const WHOLE = { type: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER } as const;

function ref(name: string): { readonly $ref: string } {
  return { $ref: `#/components/schemas/${name}` };
}

const offset = {
  description: "Where a record stands in the log: 0, 1, 2, …",
  ...WHOLE,
};

const wholeNumber = {
  description: "A whole number, or its decimal digits as a string.",
  oneOf: [WHOLE, { type: "string", pattern: "^(0|[1-9][0-9]{0,15})$" }],
};

const base64 = {
  type: "string",
  contentEncoding: "base64",
  description: "Standard base64 (RFC 4648, section 4). The padding may be left out in requests.",
};

const valueFields = {
  value: { type: ["string", "null"], description: "The bytes as UTF-8 text; null is no value." },
  value_base64: ref("Base64"),
} as const;

const keyFields = {
  key: { type: ["string", "null"], description: "The bytes as UTF-8 text." },
  key_base64: ref("Base64"),
} as const;

const oneOfValue = [{ required: ["value"] }, { required: ["value_base64"] }] as const;

const header = {
  type: "object",
  description: "A named fact beside the value. Names may repeat.",
  required: ["key"],
  properties: { key: { type: "string" }, ...valueFields },
  oneOf: oneOfValue,
};

const recordProperties = {
  ...valueFields,
  ...keyFields,
  headers: { type: "array", maxItems: limits.recordHeadersMax, items: ref("Header") },
  timestamp_ms: {
    description: "Milliseconds since 1970. Absent or 0: the server's clock.",
    ...ref("WholeNumber"),
  },
} as const;

const conditions = {
  expected_offset: {
    description: "The first record is appended at this offset, or nothing is.",
    ...ref("WholeNumber"),
  },
  producer: ref("ProducerStamp"),
} as const;

const newRecord = {
  type: "object",
  description: "A record to append. Key, value and headers together have at most 1 MiB.",
  properties: recordProperties,
  oneOf: oneOfValue,
  additionalProperties: false,
};

const produceRequest = {
  description: "One record, or several, with the conditions of the append.",
  oneOf: [
    {
      type: "object",
      properties: { ...recordProperties, ...conditions },
      oneOf: oneOfValue,
      additionalProperties: false,
    },
    {
      type: "object",
      required: ["records"],
      properties: {
        records: {
          type: "array",
          minItems: 1,
          maxItems: limits.httpRecordsMax,
          items: ref("NewRecord"),
        },
        ...conditions,
      },
      additionalProperties: false,
    },
  ],
};

const produceResponse = {
  type: "object",
  required: ["offsets"],
  properties: {
    offsets: { type: "array", items: ref("Offset"), description: "In the order of the records." },
    duplicate: {
      type: "boolean",
      description: "The producer's stamp had been appended before; the offsets are those of then.",
    },
  },
};

const record = {
  type: "object",
  description:
    "A record of the log. Key, value and header values that are not UTF-8 stand as base64 under `…_base64`.",
  required: ["offset", "timestamp_ms"],
  properties: {
    offset: ref("Offset"),
    timestamp_ms: { type: "integer", description: "Milliseconds since 1970." },
    ...keyFields,
    ...valueFields,
    headers: { type: "array", items: ref("Header") },
  },
  oneOf: oneOfValue,
};

const producerStamp = {
  type: "object",
  description: "Names one attempt of an idempotent producer, so that its repetition is recognised.",
  required: ["id", "epoch", "sequence"],
  properties: {
    id: ref("WholeNumber"),
    epoch: ref("WholeNumber"),
    sequence: ref("WholeNumber"),
  },
  additionalProperties: false,
};

const bookProduceRequest = {
  type: "object",
  required: ["record"],
  properties: {
    record: { type: "object", properties: { value: nullable(ref("Base64")) } },
  },
};

const bookConsumeResponse = {
  type: "object",
  required: ["record"],
  properties: {
    record: {
      type: "object",
      required: ["value", "offset"],
      properties: { value: nullable(ref("Base64")), offset: ref("Offset") },
    },
  },
};

const server = {
  type: "object",
  required: ["id", "rpc_addr", "http_addr", "is_leader", "role", "high_watermark", "fsync_relaxed"],
  properties: {
    id: { type: "string" },
    rpc_addr: { type: "string" },
    http_addr: { type: "string", description: "Empty when the server has no such door." },
    is_leader: { type: "boolean" },
    role: { type: "string", enum: ["voter", "learner"] },
    high_watermark: {
      description: "One past the highest committed offset it has; null where it is not known here.",
      oneOf: [WHOLE, { type: "null" }],
    },
    fsync_relaxed: { type: "boolean", description: "It acknowledges before its disk does." },
  },
};

const servers = {
  type: "object",
  required: ["servers", "cluster_id", "term"],
  properties: {
    servers: { type: "array", items: ref("Server") },
    cluster_id: { type: "string" },
    term: WHOLE,
  },
};

const offsets = {
  type: "object",
  required: ["lowest", "next"],
  properties: {
    lowest: { description: "The first offset that can be read.", ...WHOLE },
    next: { description: "One past the highest committed offset.", ...WHOLE },
    at_timestamp: {
      description: "The first offset appended at or after the time asked for; null: none is.",
      type: ["integer", "null"],
      minimum: 0,
    },
  },
};

const error = {
  type: "object",
  required: ["error"],
  properties: {
    error: {
      type: "object",
      required: ["code", "message", "details"],
      properties: {
        code: { type: "string", enum: Object.keys(ERROR_CODES) },
        message: { type: "string" },
        details: {
          type: "object",
          description: "Named facts, such as the lowest and the next offset.",
          additionalProperties: { type: "string" },
        },
      },
    },
  },
};

const status = {
  type: "object",
  required: ["status"],
  properties: { status: { type: "string" } },
};

function nullable(schema: { readonly $ref: string }): unknown {
  return { oneOf: [schema, { type: "null" }] };
}

export const SCHEMAS: Readonly<Record<string, unknown>> = {
  Base64: base64,
  BookConsumeRequest: {
    type: "object",
    required: ["offset"],
    properties: { offset: ref("WholeNumber") },
  },
  BookConsumeResponse: bookConsumeResponse,
  BookProduceRequest: bookProduceRequest,
  BookProduceResponse: {
    type: "object",
    required: ["offset"],
    properties: { offset: ref("Offset") },
  },
  Error: error,
  Header: header,
  NewRecord: newRecord,
  Offset: offset,
  Offsets: offsets,
  ProduceRequest: produceRequest,
  ProduceResponse: produceResponse,
  ProducerStamp: producerStamp,
  Record: record,
  Server: server,
  Servers: servers,
  Status: status,
  WholeNumber: wholeNumber,
};
