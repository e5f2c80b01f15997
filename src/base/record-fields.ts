/** The fields of a record in a batch: a length, −1 for null, and as many bytes. */
import type { RecordHeader } from "./record-batch.ts";
import { putUtf8, utf8Length } from "./utf8.ts";
import { putVarint, varintSize } from "./varint.ts";

/** Up to here a loop copies faster than the built-in, which has a fixed price. */
const LOOP_COPY_BYTES_MAX = 24;

export function bytesFieldSize(field: Uint8Array | null): number {
  return field === null ? 1 : varintSize(field.length) + field.length;
}

export function putBytesField(bytes: Uint8Array, at: number, field: Uint8Array | null): number {
  if (field === null) {
    bytes[at] = 1; // −1 in zigzag
    return at + 1;
  }
  const start = putVarint(bytes, at, field.length);
  if (field.length <= LOOP_COPY_BYTES_MAX) {
    for (let i = 0; i < field.length; i++) bytes[start + i] = field[i] as number;
  } else {
    bytes.set(field, start);
  }
  return start + field.length;
}

export function headersSize(headers: readonly RecordHeader[] | undefined): number {
  if (headers === undefined) return 1;
  let size = varintSize(headers.length);
  for (const header of headers) {
    const keyLength = utf8Length(header.key);
    size += varintSize(keyLength) + keyLength + bytesFieldSize(header.value);
  }
  return size;
}

export function putHeaders(
  bytes: Uint8Array,
  at: number,
  headers: readonly RecordHeader[] | undefined,
): number {
  if (headers === undefined) {
    bytes[at] = 0;
    return at + 1;
  }
  let next = putVarint(bytes, at, headers.length);
  for (const header of headers) {
    const keyLength = utf8Length(header.key);
    next = putVarint(bytes, next, keyLength);
    next = putUtf8(bytes, next, header.key, keyLength);
    next = putBytesField(bytes, next, header.value);
  }
  return next;
}
