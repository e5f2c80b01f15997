import type { ServerWritableStream } from "@grpc/grpc-js";
import { encodeConsumeResponseAt } from "../api/index.ts";
import { limits } from "../base/index.ts";
import { signalOf } from "./calls.ts";
import type { StatusOf } from "./calls.ts";
import { awaitFreshness, needsFreshness, readRequest } from "./consume.ts";
import type { ReadRequest } from "./consume.ts";
import type { RecordFormat, TailFormat } from "./tail-page.ts";
import type { TailSink, TailStream } from "./tail-stream.ts";
import type { Tails } from "./tails.ts";

type Call = ServerWritableStream<Buffer, Buffer>;

/** Records as `ConsumeResponse`s. */
export const CONSUME_RESPONSES: RecordFormat = Object.freeze({
  kind: "records",
  encode: encodeConsumeResponseAt,
});

/** ConsumeStream and ConsumeBatches: the log from an offset on, and whatever comes. */
export function consumeStream(
  tails: Tails,
  call: Call,
  format: TailFormat,
  statusOf: StatusOf,
): void {
  const sink = new CallSink(call, statusOf);
  try {
    const request = readRequest(tails.log, call.request);
    if (needsFreshness(tails, request)) void followLater(tails, call, format, request, sink);
    else sink.follow(tails, format, request);
  } catch (caught) {
    sink.fail(caught);
  }
}

async function followLater(
  tails: Tails,
  call: Call,
  format: TailFormat,
  request: ReadRequest,
  sink: CallSink,
): Promise<void> {
  try {
    await awaitFreshness(tails, request, signalOf(call));
    if (!call.cancelled) sink.follow(tails, format, request);
  } catch (caught) {
    if (!call.cancelled) sink.fail(caught);
  }
}

/** A call as the end of a stream. There may be ten thousand, so it holds little. */
class CallSink implements TailSink {
  readonly #call: Call;
  readonly #statusOf: StatusOf;
  #stream: TailStream | undefined;
  /** Written since the call's buffer was last seen empty. */
  #bytes = 0;
  #listens = false;

  constructor(call: Call, statusOf: StatusOf) {
    this.#call = call;
    this.#statusOf = statusOf;
  }

  follow(tails: Tails, format: TailFormat, request: ReadRequest): void {
    const { offset, maxRecords, maxBytes } = request;
    const stream = tails.follow(this, { format, offset, maxRecords, maxBytes });
    this.#stream = stream;
    this.#call.on("cancelled", () => stream.close());
  }

  write(chunk: Buffer): boolean {
    // The call counts messages, not bytes: the bytes are counted here.
    if (this.#call.writableLength === 0) this.#bytes = 0;
    this.#bytes += chunk.length;
    if (this.#bytes >= limits.streamBufferBytesMax) {
      this.#call.write(chunk, () => this.#stream?.resume());
      return false;
    }
    const room = this.#call.write(chunk);
    if (!room && !this.#listens) {
      this.#listens = true;
      this.#call.on("drain", () => this.#stream?.resume());
    }
    return room;
  }

  end(): void {
    this.#call.end();
  }

  fail(caught: unknown): void {
    this.#call.emit("error", this.#statusOf(caught, this.#call.getPath()));
  }
}
