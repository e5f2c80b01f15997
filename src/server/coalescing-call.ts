import { ServerInterceptingCall } from "@grpc/grpc-js";
import type { ServerInterceptingCallInterface, ServerInterceptor } from "@grpc/grpc-js";
import { LOG_METHODS } from "../api/index.ts";
import { limits } from "../base/index.ts";

/**
 * Lets several messages of a stream leave in one write. The library hands the next message to HTTP/2
 * when the one before it has left, which costs a turn of the event loop and a system call for each;
 * here it may go ahead while no more than `limits.streamWindowBytes` are on their way.
 */
class CoalescingCall extends ServerInterceptingCall {
  readonly #next: ServerInterceptingCallInterface;
  /** Handed to HTTP/2 and not yet gone. */
  #bytes = 0;
  #held: (() => void) | undefined;

  constructor(next: ServerInterceptingCallInterface) {
    super(next);
    this.#next = next;
  }

  override start(listener: Parameters<ServerInterceptingCallInterface["start"]>[0]): void {
    this.#next.start(listener);
  }

  override sendMetadata(
    metadata: Parameters<ServerInterceptingCallInterface["sendMetadata"]>[0],
  ): void {
    this.#next.sendMetadata(metadata);
  }

  override sendMessage(message: Buffer, callback: () => void): void {
    const { length } = message;
    this.#bytes += length;
    this.#next.sendMessage(message, () => {
      this.#bytes -= length;
      if (this.#held === undefined || this.#bytes >= limits.streamWindowBytes) return;
      const held = this.#held;
      this.#held = undefined;
      held();
    });
    // One message at a time comes here, so there is at most one to hold.
    if (this.#bytes < limits.streamWindowBytes) callback();
    else this.#held = callback;
  }

  override sendStatus(status: Parameters<ServerInterceptingCallInterface["sendStatus"]>[0]): void {
    this.#next.sendStatus(status);
  }
}

const STREAMS = new Set(
  Object.values(LOG_METHODS)
    .filter(({ responseStream }) => responseStream)
    .map(({ path }) => path),
);

/** For the streams of `log.v1.Log`; every other call passes unchanged. */
export const coalescing: ServerInterceptor = (method, call) =>
  STREAMS.has(method.path) ? new CoalescingCall(call) : (call as unknown as ServerInterceptingCall);
