import { isUtf8 } from "node:buffer";
import { ProglogError } from "../base/index.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const MINUS = 0x2d;
/** Any number of so many digits is exact. */
const SAFE_DIGITS = 15;

/** An object of a request. Its names are whatever the client wrote: read them with `fieldOf`. */
export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * `JSON.parse` for bytes of strangers. Before anything is built, one pass over the bytes refuses what
 * `JSON.parse` would take too well: nesting that holds the event loop for seconds, numbers that it
 * would round, bytes that are not UTF-8. Throws `INVALID_ARGUMENT`.
 */
export function parseJson(bytes: Buffer, depthMax: number, name = "the body"): unknown {
  if (bytes.length === 0) throw invalid(`${name} is empty; it should be JSON`);
  if (!isUtf8(bytes)) throw invalid(`${name} is not UTF-8`);
  checkJson(bytes, depthMax, name);
  try {
    return JSON.parse(bytes.toString());
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ProglogError("INVALID_ARGUMENT", `${name} is not JSON: ${reason}`, { cause });
  }
}

/** Whether the bytes are JSON at all is left to `JSON.parse`. */
function checkJson(bytes: Buffer, depthMax: number, name: string): void {
  let depth = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    if (byte === QUOTE) {
      at = endOfString(bytes, at + 1);
    } else if (byte === 0x7b || byte === 0x5b) {
      depth += 1;
      if (depth > depthMax) throw invalid(`${name} is nested deeper than ${depthMax} levels`);
    } else if (byte === 0x7d || byte === 0x5d) {
      depth -= 1;
    } else if (isDigit(byte) || byte === MINUS) {
      at = endOfNumber(bytes, at) - 1;
    }
  }
}

/** Position of the quote that ends a string: found natively, since values are long. */
function endOfString(bytes: Buffer, start: number): number {
  for (let from = start; ;) {
    const quote = bytes.indexOf(QUOTE, from);
    if (quote < 0) return bytes.length;
    let at = quote;
    while (at > from && bytes[at - 1] === BACKSLASH) at -= 1;
    if ((quote - at) % 2 === 0) return quote;
    from = quote + 1;
  }
}

/** Every number that the API knows is whole; one that JavaScript cannot hold would be another one. */
function endOfNumber(bytes: Buffer, start: number): number {
  let end = start + 1;
  let whole = true;
  for (; end < bytes.length; end++) {
    const byte = bytes[end] as number;
    if (isDigit(byte)) continue;
    if (!isNumberPart(byte)) break;
    whole = false;
  }
  if (whole && end - start <= SAFE_DIGITS) return end;
  const text = bytes.toString("latin1", start, Math.min(end, start + 2 * SAFE_DIGITS));
  if (!whole) throw invalid(`${text} is not a whole number`);
  if (Number.isSafeInteger(Number(text))) return end;
  throw invalid(`${text} is outside of ±(2^53−1)`);
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

/** What a number may have besides digits: sign, point, exponent. */
function isNumberPart(byte: number): boolean {
  return byte === 0x2e || byte === 0x2b || byte === MINUS || (byte | 0x20) === 0x65;
}

export function invalid(sentence: string): ProglogError {
  return new ProglogError("INVALID_ARGUMENT", sentence);
}

export function asObject(value: unknown, name: string): JsonObject {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as JsonObject;
  }
  throw invalid(`${name} is an object, not ${describe(value)}`);
}

/** Only what the client itself wrote: nothing inherited. */
export function fieldOf(object: JsonObject, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

/** A name that nobody reads is a mistake of the client's, and would lose what stands under it. */
export function refuseUnknownFields(
  object: JsonObject,
  known: ReadonlySet<string>,
  name: string,
): void {
  for (const field of Object.keys(object)) {
    if (known.has(field)) continue;
    throw invalid(
      `${name} has the unknown field ${quote(field)}; it knows ${[...known].join(", ")}`,
    );
  }
}

/** A whole number from 0 to `max`, as a number or as a decimal string. */
export function asWholeNumber(
  value: unknown,
  name: string,
  max: number = Number.MAX_SAFE_INTEGER,
): number {
  const written = typeof value === "string" && /^(0|[1-9]\d{0,15})$/.test(value);
  const number = written ? Number(value) : value;
  if (typeof number === "number" && Number.isSafeInteger(number) && number >= 0 && number <= max) {
    // No negative zero.
    return number + 0;
  }
  const top = max === Number.MAX_SAFE_INTEGER ? "2^53−1" : String(max);
  throw invalid(`"${name}" is a whole number from 0 to ${top}, not ${describe(value)}`);
}

function describe(value: unknown): string {
  if (value === undefined) return "absent";
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "an object";
  return typeof value === "string" ? quote(value) : JSON.stringify(value);
}

/** What a client wrote, short enough for a sentence. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}
