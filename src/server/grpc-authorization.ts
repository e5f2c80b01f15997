import { constants } from "node:http2";
import { ServerInterceptingCall, status } from "@grpc/grpc-js";
import type { Metadata, ServerInterceptingCallInterface, ServerInterceptor } from "@grpc/grpc-js";
import { toServiceError } from "../api/index.ts";
import { limits, ProglogError } from "../base/index.ts";
import type { Gate } from "./gate.ts";
import type { BeginningCall, GrpcConnections } from "./grpc-connections.ts";
import { permissionOfMethod } from "./permissions.ts";

type Listener = Parameters<ServerInterceptingCallInterface["start"]>[0];
type Status = Parameters<ServerInterceptingCallInterface["sendStatus"]>[0];

/** Lets a call in or answers it with the reason why not; ends streams that may not go on. */
export function authorizing(gate: Gate, connections: GrpcConnections): ServerInterceptor {
  return ({ path, requestStream, responseStream }, call) => {
    const { beginning } = connections;
    const permission = permissionOfMethod(path);
    const refusal = gate.refusal(beginning?.caller, permission, path);
    if (refusal !== undefined) return new RefusedCall(call, refusal);
    if (beginning?.caller === undefined || permission === undefined || permission.length === 0) {
      return call as unknown as ServerInterceptingCall;
    }
    const { caller, stream } = beginning;
    if (!(requestStream || responseStream)) {
      const refusal = (): ProglogError | undefined => gate.lateRefusal(caller, permission, path);
      return new LateCall(call, refusal, !permission.includes("produce"));
    }
    return new GuestCall(call, stream, (revoke) =>
      gate.receive({ caller, permission, method: path, revoke }),
    );
  };
}

/** The same numbers, by the name that the library has for them. */
function statusOf(error: ProglogError): Status {
  const { code, ...rest } = toServiceError(error);
  return { ...rest, code: status[status[code] as keyof typeof status] };
}

const DEAF: Listener = {
  onReceiveMetadata: () => undefined,
  onReceiveMessage: () => undefined,
  onReceiveHalfClose: () => undefined,
  onCancel: () => undefined,
};

/** Answered at once; its handler never hears of it. */
class RefusedCall extends ServerInterceptingCall {
  readonly #next: ServerInterceptingCallInterface;
  readonly #refusal: ProglogError;

  constructor(next: ServerInterceptingCallInterface, refusal: ProglogError) {
    super(next);
    this.#next = next;
    this.#refusal = refusal;
  }

  override start(): void {
    this.#next.start(DEAF);
    this.#next.sendStatus(statusOf(this.#refusal));
  }
}

/**
 * A call of one request, which may come when its caller may not any more; and so may the record that
 * it asks for, when it waits for one. What was appended is answered.
 */
class LateCall extends ServerInterceptingCall {
  readonly #next: ServerInterceptingCallInterface;
  readonly #refusal: () => ProglogError | undefined;
  /** Nothing is appended by it; an operator's wish counts among these. */
  readonly #appendsNothing: boolean;
  #isRefused = false;

  constructor(
    next: ServerInterceptingCallInterface,
    refusal: () => ProglogError | undefined,
    appendsNothing: boolean,
  ) {
    super(next);
    this.#next = next;
    this.#refusal = refusal;
    this.#appendsNothing = appendsNothing;
  }

  override start(listener: Listener): void {
    this.#next.start({
      onReceiveMetadata: (metadata) => listener.onReceiveMetadata(metadata),
      onReceiveMessage: (message) => {
        if (!this.#refuses("asked")) listener.onReceiveMessage(message);
      },
      onReceiveHalfClose: () => {
        if (!this.#isRefused) listener.onReceiveHalfClose();
      },
      onCancel: () => listener.onCancel(),
    });
  }

  override sendMetadata(metadata: Metadata): void {
    this.#next.sendMetadata(metadata);
  }

  override sendMessage(message: Buffer, callback: () => void): void {
    if (this.#appendsNothing && this.#refuses("answered")) return;
    this.#next.sendMessage(message, callback);
  }

  override sendStatus(sent: Status): void {
    if (!this.#isRefused) this.#next.sendStatus(sent);
  }

  #refuses(stage: "asked" | "answered"): boolean {
    const refusal = this.#refusal();
    if (refusal === undefined) return false;
    this.#isRefused = true;
    // What was asked has been done by the time it is answered, and an operator's wish may change something.
    const { code, message } = refusal;
    const told = stage === "asked" ? refusal : new ProglogError(code, message);
    this.#next.sendStatus(statusOf(told));
    return true;
  }
}

/** A stream that goes on while its caller may. */
class GuestCall extends ServerInterceptingCall {
  readonly #next: ServerInterceptingCallInterface;
  readonly #stream: BeginningCall["stream"];
  readonly #leave: () => void;

  constructor(
    next: ServerInterceptingCallInterface,
    stream: BeginningCall["stream"],
    receive: (revoke: (error: ProglogError) => void) => () => void,
  ) {
    super(next);
    this.#next = next;
    this.#stream = stream;
    this.#leave = receive((error) => this.#revoke(error));
  }

  override start(listener: Listener): void {
    this.#next.start({
      onReceiveMetadata: (metadata) => listener.onReceiveMetadata(metadata),
      onReceiveMessage: (message) => listener.onReceiveMessage(message),
      onReceiveHalfClose: () => listener.onReceiveHalfClose(),
      onCancel: () => {
        this.#leave();
        listener.onCancel();
      },
    });
  }

  override sendStatus(sent: Status): void {
    this.#leave();
    this.#next.sendStatus(sent);
  }

  /** The status comes after what was sent before it; who does not read that is cut. */
  #revoke(error: ProglogError): void {
    const stream = this.#stream;
    this.#next.sendStatus(statusOf(error));
    const timer = setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), limits.revokedLingerMs);
    stream.once("close", () => clearTimeout(timer));
  }
}
