import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeError, encodeError } from "./error-json.ts";
import { ProglogError } from "./errors.ts";

const bytes = (words: string): Uint8Array => new TextEncoder().encode(words);

test("an error on the wire: what is not known is INTERNAL, and nothing throws", () => {
  const error = new ProglogError("SEQUENCE_GAP", "a gap", { details: { next: "7" } });
  const { code, message, details, notAppended } = decodeError(encodeError(error));
  assert.deepEqual(
    [code, message, details, notAppended],
    ["SEQUENCE_GAP", "a gap", { next: "7" }, false],
  );
  for (const words of ["", "null", "[]", '"x"', '{"code":"NEW"}', '{"code":"__proto__"}', "{"]) {
    assert.equal(decodeError(bytes(words)).code, "INTERNAL", words);
  }
  assert.deepEqual(decodeError(bytes('{"details":{"a":1,"b":"2"}}')).details, { b: "2" });
});
