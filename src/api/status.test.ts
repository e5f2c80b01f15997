import assert from "node:assert/strict";
import { test } from "node:test";
import { Metadata, status as grpcStatus } from "@grpc/grpc-js";
import { ERROR_CODES, limits, ProglogError } from "../base/index.ts";
import type { ErrorCode } from "../base/index.ts";
import { Log } from "./gen/log/v1/log_pb.ts";
import {
  codeOfGrpcStatus,
  fromServiceError,
  GRPC_STATUS,
  LOG_METHODS,
  offsetOutOfRange,
  STATUS_DETAILS_HEADER,
  toServiceError,
  WIRE_STATUS,
} from "./index.ts";

const CODES = Object.keys(ERROR_CODES) as ErrorCode[];

test("gRPC's numbers are gRPC's", () => {
  for (const [name, number] of Object.entries(GRPC_STATUS)) {
    assert.equal(number, grpcStatus[name as keyof typeof grpcStatus], name);
  }
});

test("every code survives the way to a client with its message, facts and promise", () => {
  for (const code of CODES) {
    for (const notAppended of [false, true]) {
      const error = new ProglogError(code, `about ${code} – “ünï”`, {
        details: { first: "1", __proto__x: "ü" },
        notAppended,
      });
      const sent = toServiceError(error);
      assert.equal(sent.code, WIRE_STATUS[code].grpc);
      const restored = fromServiceError(sent);
      assert.equal(restored.code, code);
      assert.equal(restored.message, error.message);
      assert.deepEqual(restored.details, error.details);
      assert.equal(restored.notAppended, notAppended);
    }
  }
});

test("out of range reads as in the book, with exact numbers", () => {
  const log = { lowestOffset: 3, highWatermark: 10 };
  const sent = toServiceError(offsetOutOfRange(2n ** 64n - 1n, log));
  assert.equal(sent.code, 11);
  assert.equal(sent.details, "The requested offset is outside of the log: 18446744073709551615");
  const { lowest, highest, next } = fromServiceError(sent).details;
  assert.deepEqual([lowest, highest, next], ["3", "9", "10"]);

  const bytes = sent.metadata.get(STATUS_DETAILS_HEADER)[0] as Buffer;
  assert.ok(bytes.includes("google.rpc.LocalizedMessage"));
  assert.ok(bytes.includes("en-US"));
  assert.equal(WIRE_STATUS.OFFSET_OUT_OF_RANGE.http, 404);
});

test("text that a header cannot hold is cut and made well-formed", () => {
  const error = new ProglogError("INVALID_ARGUMENT", "\ud800" + "x".repeat(1_000_000), {
    details: { text: "y".repeat(1_000_000) },
  });
  const sent = toServiceError(error);
  assert.doesNotThrow(() => encodeURI(sent.details));
  assert.ok(sent.details.length <= limits.errorTextCharsMax);
  assert.ok((sent.metadata.get(STATUS_DETAILS_HEADER)[0] as Buffer).length < 8_192);
});

test("a failure that is not ours becomes the nearest code", () => {
  const foreign = { code: 14, details: "no connection", metadata: new Metadata() };
  assert.equal(fromServiceError(foreign).code, "UNAVAILABLE");
  const large = { ...foreign, code: 8, details: "Received message larger than max (5 vs 4)" };
  assert.equal(fromServiceError(large).code, "BATCH_TOO_LARGE");
  assert.equal(fromServiceError({ ...foreign, code: 404 }).code, "INTERNAL");
  assert.equal(fromServiceError(new Error("?")).code, "INTERNAL");
  assert.equal(fromServiceError(undefined).code, "INTERNAL");
  for (const code of CODES) assert.ok(codeOfGrpcStatus(WIRE_STATUS[code].grpc));
});

test("details that are noise, or another domain's, leave the status to speak", () => {
  for (const noise of [Buffer.from([1]), Buffer.from("noise"), Buffer.alloc(0)]) {
    const metadata = new Metadata();
    metadata.set(STATUS_DETAILS_HEADER, noise);
    assert.equal(fromServiceError({ code: 7, details: "", metadata }).code, "PERMISSION_DENIED");
  }
});

test("the methods are those of the definition", () => {
  assert.deepEqual(
    Object.values(LOG_METHODS).map(({ path, requestStream, responseStream }) => ({
      path,
      requestStream,
      responseStream,
    })),
    Log.methods.map(({ name, parent, methodKind }) => ({
      path: `/${parent.typeName}/${name}`,
      requestStream: methodKind === "client_streaming" || methodKind === "bidi_streaming",
      responseStream: methodKind === "server_streaming" || methodKind === "bidi_streaming",
    })),
  );
});
