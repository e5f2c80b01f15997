/** Through the generated code and back, for messages that are rare. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { ProglogError } from "../base/index.ts";

export function encode<T extends DescMessage>(schema: T, message: MessageInitShape<T>): Buffer {
  const bytes = toBinary(schema, create(schema, message));
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Throws `INVALID_ARGUMENT`. */
export function decode<T extends DescMessage>(schema: T, bytes: Uint8Array): MessageShape<T> {
  try {
    return fromBinary(schema, bytes, { readUnknownFields: false });
  } catch (cause) {
    throw new ProglogError("INVALID_ARGUMENT", "malformed message", { cause });
  }
}

/** A number of the wire; throws `INVALID_ARGUMENT` where it would not be exact. */
export function safe(value: bigint, name: string): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw new ProglogError("INVALID_ARGUMENT", `${name} is not a safe integer: ${value.toString()}`);
}
