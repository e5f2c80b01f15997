/** A record as JSON. Bytes that are text are shown as text; the others as base64 under a name of their own. */
import { isUtf8 } from "node:buffer";
import type { RecordCursor, RecordHeader, RecordInput } from "../base/index.ts";
import { decodeBase64, encodeBase64 } from "./http-base64.ts";
import { asObject, asWholeNumber, fieldOf, invalid, refuseUnknownFields } from "./http-json.ts";
import type { JsonObject } from "./http-json.ts";
import type { RecordFormat } from "./tail-page.ts";

export const RECORD_FIELDS: readonly string[] = [
  "value",
  "value_base64",
  "key",
  "key_base64",
  "headers",
  "timestamp_ms",
];
const HEADER_FIELDS: ReadonlySet<string> = new Set(["key", "value", "value_base64"]);
/** A lone half of a pair is no character, and would be stored as another one. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Throws `INVALID_ARGUMENT`, with the record's place in the request. */
export function readRecordFields(object: JsonObject, place: string): RecordInput {
  const value = readBytes(object, "value", place);
  if (value === undefined) throw invalid(`${place} has neither "value" nor "value_base64"`);
  const timestamp = fieldOf(object, "timestamp_ms");
  return {
    value,
    key: readBytes(object, "key", place),
    headers: readHeaders(fieldOf(object, "headers"), place),
    timestampMs:
      timestamp === undefined ? undefined : asWholeNumber(timestamp, `${place}: timestamp_ms`),
  };
}

/** `name` as text, or `name_base64`; `null` is null. Undefined when neither is there. */
function readBytes(object: JsonObject, name: string, place: string): Uint8Array | null | undefined {
  const text = fieldOf(object, name);
  const base64 = fieldOf(object, `${name}_base64`);
  if (base64 !== undefined) {
    if (text !== undefined) throw invalid(`${place} has both "${name}" and "${name}_base64"`);
    if (typeof base64 === "string") return decodeBase64(base64, `${place}: ${name}_base64`);
    throw invalid(`"${place}: ${name}_base64" is a string`);
  }
  if (text === undefined || text === null) return text;
  if (typeof text !== "string") throw invalid(`"${place}: ${name}" is a string or null`);
  if (LONE_SURROGATE.test(text)) throw invalid(`"${place}: ${name}" has half of a character`);
  return Buffer.from(text);
}

function readHeaders(value: unknown, place: string): RecordHeader[] | undefined {
  if (value === undefined) return undefined;
  if (!Array.isArray(value)) {
    throw invalid(`"${place}: headers" is a list of objects with "key" and "value"`);
  }
  return value.map((entry: unknown, index) => {
    const name = `${place}: headers[${index}]`;
    const header = asObject(entry, name);
    refuseUnknownFields(header, HEADER_FIELDS, name);
    const key = fieldOf(header, "key");
    if (typeof key !== "string" || LONE_SURROGATE.test(key)) {
      throw invalid(`"${name}: key" is a text`);
    }
    const bytes = readBytes(header, "value", name);
    if (bytes === undefined) throw invalid(`${name} has neither "value" nor "value_base64"`);
    return { key, value: bytes };
  });
}

/** The record where the cursor stands, as one line of JSON without its end. */
export function encodeRecordJson(cursor: RecordCursor): string {
  let json = `{"offset":${cursor.offset},"timestamp_ms":${cursor.timestampMs}`;
  if (cursor.keyStart >= 0) json += `,${encodeBytes("key", cursor.key())}`;
  json += `,${encodeBytes("value", cursor.value())}`;
  if (cursor.headerCount > 0) {
    const headers = cursor
      .headers()
      .map(({ key, value }) => `{"key":${JSON.stringify(key)},${encodeBytes("value", value)}}`);
    json += `,"headers":[${headers.join(",")}]`;
  }
  return `${json}}`;
}

function encodeBytes(name: string, bytes: Uint8Array | null): string {
  if (bytes === null) return `"${name}":null`;
  if (!isUtf8(bytes)) return `"${name}_base64":"${encodeBase64(bytes)}"`;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString();
  return `"${name}":${JSON.stringify(text)}`;
}

/** A line a record. */
export const NDJSON: RecordFormat = Object.freeze({
  kind: "records",
  encode: (cursor: RecordCursor) => Buffer.from(`${encodeRecordJson(cursor)}\n`),
});

/** An event a record, as WHATWG's server-sent events: its id is the offset, so that a client resumes. */
export const SERVER_SENT_EVENTS: RecordFormat = Object.freeze({
  kind: "records",
  encode: (cursor: RecordCursor) =>
    Buffer.from(`id: ${cursor.offset}\ndata: ${encodeRecordJson(cursor)}\n\n`),
});
