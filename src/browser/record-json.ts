import { ProglogError } from "../base/index.ts";
import { fromBase64, toBase64 } from "./base64.ts";

export interface HttpHeader {
  readonly key: string;
  readonly value: Uint8Array | null;
}

/** A record of the log. */
export interface HttpRecord {
  readonly offset: number;
  /** Milliseconds since 1970. */
  readonly timestampMs: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly HttpHeader[];
}

/** A record to append. Text is sent as UTF-8. */
export interface HttpRecordInput {
  readonly value: string | Uint8Array | null;
  readonly key?: string | Uint8Array | null | undefined;
  readonly headers?:
    readonly { readonly key: string; readonly value: string | Uint8Array | null }[] | undefined;
  /** Milliseconds since 1970; absent: the server's clock. */
  readonly timestampMs?: number | undefined;
}

type Json = Readonly<Record<string, unknown>>;

/** Bytes as text; what is no UTF-8 becomes U+FFFD. */
export function textOf(bytes: Uint8Array | null): string {
  return bytes === null ? "" : new TextDecoder().decode(bytes);
}

/** For the body of a request. */
export function recordToJson({ value, key, headers, timestampMs }: HttpRecordInput): Json {
  return {
    ...bytesToJson("value", value),
    ...(key === undefined ? {} : bytesToJson("key", key)),
    ...(headers === undefined
      ? {}
      : { headers: headers.map((one) => ({ key: one.key, ...bytesToJson("value", one.value) })) }),
    ...(timestampMs === undefined ? {} : { timestamp_ms: timestampMs }),
  };
}

/** Throws `INTERNAL`: what a server sent is no record. */
export function recordFromJson(json: unknown): HttpRecord {
  const { offset, timestamp_ms: timestampMs, headers = [] } = asObject(json);
  if (!Number.isSafeInteger(offset) || typeof timestampMs !== "number" || !Array.isArray(headers)) {
    throw unreadable();
  }
  return {
    offset: offset as number,
    timestampMs,
    key: bytesFromJson(asObject(json), "key"),
    value: bytesFromJson(asObject(json), "value"),
    headers: headers.map((header: unknown) => ({
      key: String(asObject(header)["key"]),
      value: bytesFromJson(asObject(header), "value"),
    })),
  };
}

/** Throws `INTERNAL`: what a server sent is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw unreadable(cause);
  }
}

export function asObject(json: unknown): Json {
  if (typeof json !== "object" || json === null) throw unreadable();
  return json as Json;
}

function bytesToJson(name: string, value: string | Uint8Array | null): Json {
  return value instanceof Uint8Array ? { [`${name}_base64`]: toBase64(value) } : { [name]: value };
}

function bytesFromJson(object: Json, name: string): Uint8Array | null {
  const base64 = object[`${name}_base64`];
  if (typeof base64 === "string") return fromBase64(base64);
  const text = object[name];
  return typeof text === "string" ? new TextEncoder().encode(text) : null;
}

export function unreadable(cause?: unknown): ProglogError {
  return new ProglogError("INTERNAL", "the server's answer cannot be read", { cause });
}
