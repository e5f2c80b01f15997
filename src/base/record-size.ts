import type { RecordInput } from "./append.ts";
import { ProglogError } from "./errors.ts";
import { recordBytesMax as recordBytesLimit, recordHeadersMax } from "./limits.ts";
import { utf8Length } from "./utf8.ts";

/** Frame of a record besides its fields: four lengths of at most 5 bytes, attributes, two deltas. */
const RECORD_FRAME_BYTES_MAX = 4 * 5 + 1 + 10 + 5;
/** Two lengths around each header. */
const HEADER_FRAME_BYTES_MAX = 10;

/** Key, value and headers together: what `limits.recordBytesMax` speaks of. */
export function recordBytes(record: RecordInput): number {
  let bytes = (record.key?.length ?? 0) + (record.value?.length ?? 0);
  if (record.headers !== undefined) {
    for (const header of record.headers) {
      bytes += utf8Length(header.key) + (header.value?.length ?? 0);
    }
  }
  return bytes;
}

/** The most bytes that a record takes within a batch. */
export function recordSize(record: RecordInput): number {
  const headers = record.headers?.length ?? 0;
  return recordBytes(record) + RECORD_FRAME_BYTES_MAX + headers * HEADER_FRAME_BYTES_MAX;
}

/** Null, or an array of bytes, whoever's `Uint8Array` it is. */
function isBytes(field: unknown): boolean {
  if (field === null) return true;
  return ArrayBuffer.isView(field) && (field as Partial<Uint8Array>).BYTES_PER_ELEMENT === 1;
}

/** A text would be written as zeros, by those whom no compiler tells. */
function noBytes(name: string, field: unknown): ProglogError {
  const hint = typeof field === "string" ? "; new TextEncoder().encode(text) makes one of it" : "";
  const message = `a record's ${name} is a Uint8Array or null, not ${typeof field}${hint}`;
  return new ProglogError("INVALID_ARGUMENT", message);
}

/** Throws `RECORD_TOO_LARGE` or `INVALID_ARGUMENT` when a record may not enter any batch. */
export function checkRecord(record: RecordInput, recordBytesMax: number = recordBytesLimit): void {
  const { key, value, timestampMs, headers } = record;
  if (!isBytes(value)) throw noBytes("value", value);
  if (key !== undefined && !isBytes(key)) throw noBytes("key", key);
  for (const header of headers ?? []) {
    if (!isBytes(header.value)) throw noBytes("header", header.value);
  }
  if (timestampMs !== undefined && !(Number.isSafeInteger(timestampMs) && timestampMs >= 0)) {
    throw new ProglogError(
      "INVALID_ARGUMENT",
      `a record's time is a whole number of milliseconds, not ${timestampMs}`,
    );
  }
  if (headers !== undefined && headers.length > recordHeadersMax) {
    throw new ProglogError(
      "INVALID_ARGUMENT",
      `a record has ${headers.length} headers; at most ${recordHeadersMax} are allowed`,
    );
  }
  const bytes = recordBytes(record);
  if (bytes > recordBytesMax) {
    throw new ProglogError(
      "RECORD_TOO_LARGE",
      `a record has ${bytes} bytes of key, value and headers; at most ${recordBytesMax} are allowed`,
      { details: { bytes: String(bytes), bytesMax: String(recordBytesMax) } },
    );
  }
}
