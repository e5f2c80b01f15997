/**
 * A record as a line of JSON, the same as in the HTTP API: bytes that are text are shown as text, the
 * others as base64 under a name of their own. What `consume` prints, `produce` takes.
 */
import { isUtf8 } from "node:buffer";
import { limits, ProglogError } from "../base/index.ts";
import type { DecodedRecord, RecordHeader, RecordInput } from "../base/index.ts";

/** A line as long as a largest record can make it: every byte a six-letter escape. */
export const JSON_LINE_BYTES_MAX: number = 6 * limits.recordBytesMax + 64 * 1024;

type JsonObject = Readonly<Record<string, unknown>>;

const RECORD_FIELDS: readonly string[] = [
  "value",
  "value_base64",
  "key",
  "key_base64",
  "headers",
  "timestamp_ms",
  // Given by the log, and so of no meaning in a record that is to be appended.
  "offset",
];
const HEADER_FIELDS: readonly string[] = ["key", "value", "value_base64"];

export function recordToJson(record: DecodedRecord): string {
  let json = `{"offset":${record.offset},"timestamp_ms":${record.timestampMs}`;
  if (record.key !== null) json += `,${bytesToJson("key", record.key)}`;
  json += `,${bytesToJson("value", record.value)}`;
  if (record.headers.length > 0) json += `,"headers":[${record.headers.map(headerToJson).join()}]`;
  return `${json}}`;
}

function headerToJson({ key, value }: RecordHeader): string {
  return `{"key":${JSON.stringify(key)},${bytesToJson("value", value)}}`;
}

function bytesToJson(name: string, bytes: Uint8Array | null): string {
  if (bytes === null) return `"${name}":null`;
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (isUtf8(buffer)) return `"${name}":${JSON.stringify(buffer.toString())}`;
  return `"${name}_base64":"${buffer.toString("base64")}"`;
}

/** Reads such a line; `place` is where it stands. Throws `INVALID_ARGUMENT`. */
export function recordFromJson(line: Uint8Array, place: string): RecordInput {
  if (!isUtf8(line)) throw invalid(`${place} is not UTF-8`);
  const object = asObject(parse(line, place), RECORD_FIELDS, place);
  const value = bytesFrom(object, "value", place);
  if (value === undefined) throw invalid(`${place} has neither "value" nor "value_base64"`);
  const timestampMs = object["timestamp_ms"];
  if (timestampMs !== undefined && !Number.isSafeInteger(timestampMs)) {
    throw invalid(`${place}: "timestamp_ms" is a whole number`);
  }
  return {
    value,
    key: bytesFrom(object, "key", place),
    headers: headersFrom(object["headers"], place),
    timestampMs: timestampMs as number | undefined,
  };
}

function parse(line: Uint8Array, place: string): unknown {
  try {
    return JSON.parse(Buffer.from(line).toString());
  } catch (cause) {
    const { message } = ProglogError.from(cause);
    throw new ProglogError("INVALID_ARGUMENT", `${place} is not JSON: ${message}`, { cause });
  }
}

function asObject(value: unknown, known: readonly string[], place: string): JsonObject {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid(`${place} is not a JSON object`);
  }
  const unknown = Object.keys(value).find((field) => !known.includes(field));
  if (unknown === undefined) return value as JsonObject;
  throw invalid(`${place} has the unknown field "${unknown}"; it may have ${known.join(", ")}`);
}

/** `name` as text, or `name_base64`; null is null. Undefined when neither is there. */
function bytesFrom(object: JsonObject, name: string, place: string): Uint8Array | null | undefined {
  const text = object[name];
  const base64 = object[`${name}_base64`];
  if (text !== undefined && base64 !== undefined) {
    throw invalid(`${place} has both "${name}" and "${name}_base64"`);
  }
  if (base64 !== undefined) return parseBase64(base64, `${place}: "${name}_base64"`);
  if (text === undefined || text === null) return text;
  if (typeof text === "string") return Buffer.from(text);
  throw invalid(`${place}: "${name}" is a string or null`);
}

function headersFrom(value: unknown, place: string): RecordHeader[] | undefined {
  if (value === undefined) return undefined;
  if (!Array.isArray(value)) throw invalid(`${place}: "headers" is a list`);
  return value.map((entry: unknown, index) => {
    const name = `${place}: headers[${index}]`;
    const header = asObject(entry, HEADER_FIELDS, name);
    const key = header["key"];
    const bytes = bytesFrom(header, "value", name);
    if (typeof key === "string" && bytes !== undefined) return { key, value: bytes };
    throw invalid(`${name} has a "key", and a "value" or "value_base64"`);
  });
}

/** Standard base64, padded or not. `Buffer.from` alone passes over whatever it does not know. */
export function parseBase64(text: unknown, place: string): Buffer {
  const isBase64 =
    typeof text === "string" &&
    !/[^A-Za-z0-9+/=]/.test(text) &&
    /^[^=]*={0,2}$/.test(text) &&
    (text.includes("=") ? text.length % 4 === 0 : text.length % 4 !== 1);
  if (isBase64) return Buffer.from(text, "base64");
  throw invalid(`${place} is not base64`);
}

function invalid(sentence: string): ProglogError {
  return new ProglogError("INVALID_ARGUMENT", sentence);
}
