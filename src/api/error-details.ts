import { Metadata } from "@grpc/grpc-js";
import { limits, ProglogError } from "../base/index.ts";
import type { ErrorDetails } from "../base/index.ts";
import { lengthDelimitedSize, ProtoReader, ProtoWriter, varintFieldSize } from "./protobuf.ts";
import { codeOfGrpcStatus, isErrorCode, WIRE_STATUS } from "./status.ts";

/** The trailer (HTTP: the header) that says: decided before anything was proposed. Its value is 1. */
export const NOT_APPENDED_HEADER = "proglog-not-appended";
/** Where gRPC carries a serialized `google.rpc.Status`. */
export const STATUS_DETAILS_HEADER = "grpc-status-details-bin";
export const ERROR_DOMAIN = "proglog";
const LOCALE = "en-US";
const ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo";
const LOCALIZED_MESSAGE = "type.googleapis.com/google.rpc.LocalizedMessage";

/** A failed call as grpc-js takes it from a handler. */
export interface ServiceStatus {
  readonly code: number;
  readonly details: string;
  readonly metadata: Metadata;
}

/**
 * What an error says to the world. Out of range it is the book's sentence, whoever found out; what
 * is neither ours nor expected may speak of the inside, and stays there.
 */
export function messageOf(error: ProglogError): string {
  if (error.code === "INTERNAL" && error.cause !== undefined) return "internal error";
  const offset = error.code === "OFFSET_OUT_OF_RANGE" ? error.details["offset"] : undefined;
  if (offset !== undefined) return `The requested offset is outside of the log: ${offset}`;
  return headerText(error.message);
}

/** For a read outside of [lowest, next). `offset` may be above 2^53−1 and stays exact. */
export function offsetOutOfRange(
  offset: number | bigint,
  log: { readonly lowestOffset: number; readonly highWatermark: number },
): ProglogError {
  const details = {
    offset: offset.toString(),
    lowest: log.lowestOffset.toString(),
    highest: (log.highWatermark - 1).toString(),
    next: log.highWatermark.toString(),
  };
  const message = `The requested offset is outside of the log: ${details.offset}`;
  return new ProglogError("OFFSET_OUT_OF_RANGE", message, { details });
}

/** For servers: status, message and trailers of a failed call. */
export function toServiceError(error: ProglogError): ServiceStatus {
  const metadata = new Metadata();
  const message = messageOf(error);
  metadata.set(STATUS_DETAILS_HEADER, encodeStatus(error, message));
  if (error.notAppended) metadata.set(NOT_APPENDED_HEADER, "1");
  return { code: WIRE_STATUS[error.code].grpc, details: message, metadata };
}

/** For clients: whatever a call of grpc-js failed with, as the error that the server had. */
export function fromServiceError(caught: unknown): ProglogError {
  if (caught instanceof ProglogError) return caught;
  const { code, details, metadata } = (caught ?? {}) as Partial<ServiceStatus>;
  if (typeof code !== "number") return ProglogError.from(caught);
  const text = typeof details === "string" ? details : "";
  const trailers = metadata instanceof Metadata ? metadata : undefined;
  const notAppended = trailers?.get(NOT_APPENDED_HEADER)[0] === "1";
  const [bytes] = trailers?.get(STATUS_DETAILS_HEADER) ?? [];
  const info = Buffer.isBuffer(bytes) ? decodeErrorInfo(bytes) : undefined;
  if (info?.domain === ERROR_DOMAIN && isErrorCode(info.reason)) {
    return new ProglogError(info.reason, text, {
      cause: caught,
      details: info.metadata,
      notAppended,
    });
  }
  // The library on the other side refuses a frame above its limit before our code sees it, with a
  // status that would otherwise read as "try again later".
  const tooLarge = /^(Received|Sent) message larger than max/.test(text);
  const known = tooLarge ? "BATCH_TOO_LARGE" : codeOfGrpcStatus(code);
  return new ProglogError(known, text, { cause: caught, notAppended });
}

/** Bounded, because headers are; well-formed, because gRPC's percent-encoding throws otherwise. */
function headerText(text: string): string {
  return Buffer.from(text.slice(0, limits.errorTextCharsMax)).toString("utf8");
}

/** google.rpc.Status {code = 1, message = 2, details = 3} with one ErrorInfo, one LocalizedMessage. */
function encodeStatus(error: ProglogError, message: string): Buffer {
  const text = Buffer.from(message);
  const code = WIRE_STATUS[error.code].grpc;
  const details = [
    encodeAny(ERROR_INFO, encodeErrorInfo(error)),
    encodeAny(LOCALIZED_MESSAGE, encodeFields([1, Buffer.from(LOCALE)], [2, text])),
  ];
  let size = varintFieldSize(1, code) + lengthDelimitedSize(2, text.length);
  for (const detail of details) size += lengthDelimitedSize(3, detail.length);
  const writer = new ProtoWriter(size);
  writer.varintField(1, code);
  writer.bytesField(2, text);
  for (const detail of details) writer.bytesField(3, detail);
  return writer.finish();
}

/** google.rpc.ErrorInfo {reason = 1, domain = 2, map<string, string> metadata = 3}. */
function encodeErrorInfo(error: ProglogError): Buffer {
  const facts = Object.entries(error.details).map(([name, value]): [number, Buffer] => [
    3,
    encodeFields([1, Buffer.from(headerText(name))], [2, Buffer.from(headerText(value))]),
  ]);
  return encodeFields([1, Buffer.from(error.code)], [2, Buffer.from(ERROR_DOMAIN)], ...facts);
}

/** google.protobuf.Any {type_url = 1, value = 2}. */
function encodeAny(typeUrl: string, value: Uint8Array): Buffer {
  return encodeFields([1, Buffer.from(typeUrl)], [2, value]);
}

function encodeFields(...fields: (readonly [number, Uint8Array])[]): Buffer {
  let size = 0;
  for (const [field, bytes] of fields) size += lengthDelimitedSize(field, bytes.length);
  const writer = new ProtoWriter(size);
  for (const [field, bytes] of fields) writer.bytesField(field, bytes);
  return writer.finish();
}

interface ErrorInfo {
  readonly reason: string;
  readonly domain: string;
  readonly metadata: ErrorDetails;
}

/** The first ErrorInfo of a serialized google.rpc.Status; undefined when there is none to be read. */
function decodeErrorInfo(status: Uint8Array): ErrorInfo | undefined {
  try {
    const reader = new ProtoReader(status);
    while (reader.next()) {
      if (reader.field !== 3) {
        reader.skip();
        continue;
      }
      const [typeUrl, value] = readPair(reader.message());
      if (textOf(typeUrl) === ERROR_INFO) return readErrorInfo(value);
    }
  } catch (error) {
    // Trailers that nobody can read say nothing; the status and its message still do.
    if (!(error instanceof ProglogError)) throw error;
  }
  return undefined;
}

function readErrorInfo(bytes: Uint8Array): ErrorInfo {
  let reason = "";
  let domain = "";
  const facts = new Map<string, string>();
  const reader = new ProtoReader(bytes);
  while (reader.next()) {
    if (reader.field === 1) reason = reader.text();
    else if (reader.field === 2) domain = reader.text();
    else if (reader.field === 3) {
      const [name, value] = readPair(reader.message());
      facts.set(textOf(name), textOf(value));
    } else reader.skip();
  }
  return { reason, domain, metadata: Object.fromEntries(facts) };
}

/** Fields 1 and 2 of a message of strings or bytes. */
function readPair(reader: ProtoReader): [Uint8Array, Uint8Array] {
  const pair: [Uint8Array, Uint8Array] = [new Uint8Array(), new Uint8Array()];
  while (reader.next()) {
    if (reader.field === 1) pair[0] = reader.bytes();
    else if (reader.field === 2) pair[1] = reader.bytes();
    else reader.skip();
  }
  return pair;
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8");
}
