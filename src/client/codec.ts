import { ProglogError } from "../base/index.ts";
import {
  type InputOf,
  issuesOf,
  type OutputOf,
  type StandardSchema,
  type Validation,
} from "./standard-schema.ts";

/**
 * Values of a type, as the bytes of a record and back. Both may throw, or reject, when a value is none;
 * what is written must be what can be read.
 */
export interface Codec<Input, Output = Input> {
  encode(value: Input): Uint8Array | Promise<Uint8Array>;
  decode(bytes: Uint8Array): Output | Promise<Output>;
}

/** What JSON can say. */
export type JsonValue =
  string | number | boolean | null | readonly JsonValue[] | { readonly [name: string]: JsonValue };

/** Bytes as they are. */
export const bytes: Codec<Uint8Array> = { encode: (value) => value, decode: (value) => value };

/** UTF-8; other bytes are no text. */
export const text: Codec<string> = {
  encode: (value) => new TextEncoder().encode(value),
  decode: (value) => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(value),
};

/** JSON that nobody looks at. */
export function json(): Codec<JsonValue>;
/**
 * JSON that a schema checks, of any library that speaks Standard Schema (Zod, Valibot, ArkType). It is
 * checked before it is sent and after it was read; what is stored is what was given, so a schema may
 * make something else of it when it is read.
 */
export function json<Schema extends StandardSchema>(
  schema: Schema,
): Codec<InputOf<Schema>, OutputOf<Schema>>;
export function json(schema?: StandardSchema): Codec<unknown> {
  if (schema === undefined) return { encode: stringify, decode: parse };
  const validate = (value: unknown): Validation<unknown> | Promise<Validation<unknown>> =>
    schema["~standard"].validate(value);
  return {
    encode: (value) =>
      after(validate(value), (validation) => {
        valueOf(validation);
        return stringify(value);
      }),
    decode: (read) => after(validate(parse(read)), valueOf),
  };
}

/** At once where there is nothing to wait for: most schemas are synchronous. */
function after<T, R>(value: T | Promise<T>, then: (value: T) => R): R | Promise<R> {
  return value instanceof Promise ? value.then(then) : then(value);
}

function valueOf(validation: Validation<unknown>): unknown {
  if (validation.issues === undefined) return validation.value;
  throw new ProglogError("INVALID_ARGUMENT", issuesOf(validation.issues));
}

function stringify(value: unknown): Uint8Array {
  const written = JSON.stringify(value) as string | undefined;
  if (written !== undefined) return Buffer.from(written);
  throw new ProglogError("INVALID_ARGUMENT", `JSON has no word for ${typeof value}`);
}

function parse(read: Uint8Array): JsonValue {
  return JSON.parse(text.decode(read) as string) as JsonValue;
}
