import type { handleUnaryCall, sendUnaryData, ServerUnaryCall } from "@grpc/grpc-js";
import { GRPC_STATUS, toServiceError, WIRE_STATUS } from "../api/index.ts";
import type { ServiceStatus } from "../api/index.ts";
import { ProglogError } from "../base/index.ts";
import type { Observer } from "../base/index.ts";
import { failureOf } from "./failures.ts";
import type { CommitLog } from "./commit-log.ts";

export type UnaryCall = ServerUnaryCall<Buffer, Buffer>;

/** Makes the status of a call out of whatever it failed with, and tells of what should not happen. */
export type StatusOf = (caught: unknown, path: string) => ServiceStatus;

export function statusWith(observer: Observer): StatusOf {
  return (caught, path) => {
    const failure = failureOf(caught);
    if (WIRE_STATUS[failure.code].grpc === GRPC_STATUS.INTERNAL) {
      const { cause, code, message } = failure;
      const stack = cause instanceof Error ? cause.stack : undefined;
      observer.log("error", "grpc.request-failed", { method: path, code, error: stack ?? message });
    }
    return toServiceError(failure);
  };
}

type Answer = (request: Buffer, call: UnaryCall) => Promise<Buffer> | Buffer;

/** A method of one request and one answer; what it throws becomes the status of the call. */
export function unary(statusOf: StatusOf, answer: Answer): handleUnaryCall<Buffer, Buffer> {
  return (call, callback) => {
    void reply(statusOf, answer, call, callback);
  };
}

async function reply(
  statusOf: StatusOf,
  answer: Answer,
  call: UnaryCall,
  callback: sendUnaryData<Buffer>,
): Promise<void> {
  let bytes: Buffer;
  try {
    bytes = await answer(call.request, call);
  } catch (caught) {
    callback(statusOf(caught, call.getPath()));
    return;
  }
  callback(null, bytes);
}

/**
 * The same in two steps, for the busiest method: its answer is encoded where it is sent, so that one
 * promise does for a call where functions that wait make four, all of which outlive the sync.
 */
export function unaryInSteps<T>(
  statusOf: StatusOf,
  ask: (request: Buffer, call: UnaryCall) => Promise<T>,
  encode: (answer: T) => Buffer,
): handleUnaryCall<Buffer, Buffer> {
  return (call, callback) => {
    const fail = (caught: unknown): void => callback(statusOf(caught, call.getPath()));
    let asked: Promise<T>;
    try {
      asked = ask(call.request, call);
    } catch (caught) {
      fail(caught);
      return;
    }
    const reply = (answer: T): void => {
      let bytes: Buffer;
      try {
        bytes = encode(answer);
      } catch (caught) {
        fail(caught);
        return;
      }
      callback(null, bytes);
    };
    asked.then(reply, fail);
  };
}

interface Cancellable {
  readonly cancelled: boolean;
  on(event: "cancelled", listener: () => void): unknown;
}

/** Aborted when the client cancels, goes away, or its deadline passes. */
export function signalOf(call: Cancellable): AbortSignal {
  const controller = new AbortController();
  const abort = (): void => controller.abort(new ProglogError("CANCELLED", "the call has ended"));
  if (call.cancelled) abort();
  else call.on("cancelled", abort);
  return controller.signal;
}

/** The same for what only sometimes needs one: a signal costs more than many a call. */
export function lazySignalOf(call: Cancellable): () => AbortSignal {
  let signal: AbortSignal | undefined;
  return () => (signal ??= signalOf(call));
}

/** Requests name the log or leave it open; there is one. */
export function checkLogName(log: Pick<CommitLog, "name">, name: string): void {
  if (name === "" || name === log.name) return;
  throw new ProglogError("UNKNOWN_LOG", `there is no log named ${JSON.stringify(name)}`, {
    details: { log: name },
  });
}
