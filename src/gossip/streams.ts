import { limits } from "../base/index.ts";
import type { Context } from "./context.ts";
import type { Address, StreamMessage } from "./message.ts";

export interface StreamEnd {
  replied(message: StreamMessage): void;
  failed(text: string): void;
}

/** The TCP streams that we opened, and who waits for each. */
export class Streams {
  readonly #context: Context;
  readonly #open = new Map<number, StreamEnd>();
  #next = 1;

  constructor(context: Context) {
    this.#context = context;
  }

  open(to: Address, message: StreamMessage, timeoutMs: number, end: StreamEnd): number {
    const stream = this.#next++;
    if (this.#open.size >= limits.gossipStreamsMax) {
      this.#context.outbox.count("stream_refused");
      this.#context.schedule.after(1, () => end.failed("too many streams are open"));
      return stream;
    }
    this.#open.set(stream, end);
    this.#context.outbox.stream({ stream, to, message, timeoutMs });
    return stream;
  }

  replied(stream: number, message: StreamMessage): void {
    this.#take(stream)?.replied(message);
  }

  failed(stream: number, text: string): void {
    this.#take(stream)?.failed(text);
  }

  #take(stream: number): StreamEnd | undefined {
    const end = this.#open.get(stream);
    this.#open.delete(stream);
    return end;
  }
}
