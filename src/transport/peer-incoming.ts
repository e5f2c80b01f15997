import type { Socket } from "node:net";
import { limits, ProglogError } from "../base/index.ts";
import type { Clock } from "../base/index.ts";
import { FrameReader } from "./peer-frame.ts";
import type { Frame } from "./peer-frame.ts";
import { mayOnlyCall } from "./peer-greeting.ts";
import { decodeHello, encodeAnswer } from "./peer-hello.ts";
import type { Hello, HelloAnswer } from "./peer-hello.ts";
import { laneOf } from "./peer-message.ts";
import type { PeerMessage } from "./peer-message.ts";
import { isPing, pingFrame } from "./raft-codec.ts";
import type { Ends, RaftCodec } from "./raft-codec.ts";

export interface IncomingParts<Entry extends { readonly payload: Uint8Array }> {
  readonly socket: Socket;
  readonly codec: RaftCodec<Entry>;
  readonly clock: Clock;
  /** What is said to a hello, and the ends of messages after a welcome. */
  readonly greet: (hello: Hello) => { readonly answer: HelloAnswer; readonly ends: Ends };
  /** The next message is not read before the promise resolves. It must not reject. */
  readonly handle: (message: PeerMessage<Entry>, hello: Hello) => void | Promise<void>;
  /** Once. */
  readonly onEnd: (reason: string | undefined, error?: ProglogError) => void;
}

/** A living peer is heard every second; between once and twice this long without a word it is gone. */
const SILENCE_CHECK_MS = limits.peerPingIntervalMs * limits.peerPingsMissedMax;

/** One connection that a peer dialled: hears its hello, answers, then only listens. */
export class IncomingConnection<Entry extends { readonly payload: Uint8Array }> {
  readonly #parts: IncomingParts<Entry>;
  readonly #reader = new FrameReader(limits.peerHelloBytesMax);
  #hello: Hello | undefined;
  #ends: Ends | undefined;
  #isWaiting = false;
  #silentChecks = 0;
  #reason: string | undefined;
  #error: ProglogError | undefined;
  #cancelTimer: () => void;

  constructor(parts: IncomingParts<Entry>) {
    this.#parts = parts;
    const { socket, clock } = parts;
    this.#cancelTimer = clock.after(limits.handshakeTimeoutMs, () => this.cut("no hello in time"));
    socket.on("data", (chunk: Buffer) => {
      if (this.#reason === undefined) this.#drain(this.#reader.read(chunk));
    });
    socket.on("error", (error) => this.cut(error.message));
    socket.on("end", () => this.cut("closed by the other end"));
    socket.on("close", () => {
      this.#cancelTimer();
      parts.onEnd(this.#reason, this.#error);
    });
  }

  get hello(): Hello | undefined {
    return this.#hello;
  }

  cut(reason: string): void {
    this.#reason ??= reason;
    this.#parts.socket.destroy();
  }

  /** Takes frames in order, and stops reading while one of them is being handled. */
  #drain(frames: Iterator<Uint8Array>): void {
    for (;;) {
      const waiting = this.#takeNext(frames);
      if (waiting === "done" || this.#reason !== undefined) return;
      if (waiting === undefined) continue;
      this.#isWaiting = true;
      this.#parts.socket.pause();
      void waiting.then(() => {
        this.#isWaiting = false;
        if (this.#reason !== undefined) return;
        this.#drain(frames);
        this.#resume();
      });
      return;
    }
  }

  /** Unless another message is being handled by now. */
  #resume(): void {
    if (!this.#isWaiting) this.#parts.socket.resume();
  }

  #takeNext(frames: Iterator<Uint8Array>): Promise<void> | "done" | undefined {
    let message: PeerMessage<Entry> | undefined;
    try {
      const next = frames.next();
      if (next.done === true) return "done";
      this.#silentChecks = 0;
      message = this.#read(next.value);
    } catch (error) {
      if (!(error instanceof ProglogError)) throw error;
      this.#error = error;
      this.cut(error.message);
      return "done";
    }
    const hello = this.#hello;
    if (message === undefined || hello === undefined) return undefined;
    return this.#parts.handle(message, hello) ?? undefined;
  }

  #read(body: Uint8Array): PeerMessage<Entry> | undefined {
    const { codec } = this.#parts;
    if (this.#hello === undefined || this.#ends === undefined) {
      this.#greet(decodeHello(body));
      return undefined;
    }
    if (isPing(body, "ping")) {
      this.#pong();
      return undefined;
    }
    const message = codec.decode(body, this.#ends);
    const isCall = message.kind === "call" || message.kind === "reply";
    if (laneOf(message) !== this.#hello.lane || (mayOnlyCall(this.#hello) && !isCall)) {
      throw new ProglogError("CORRUPT_BATCH", `a message (${message.kind}) in the wrong place`);
    }
    return message;
  }

  #greet(hello: Hello): void {
    const { socket, clock, greet } = this.#parts;
    const { answer, ends } = greet(hello);
    if (answer.kind === "refused") {
      this.#reason = `refused (${answer.refusal})`;
      // It closes when it has read why; if it does not, it is cut like a silent one.
      this.#write(encodeAnswer(answer));
      socket.end();
      socket.resume();
      return;
    }
    this.#hello = hello;
    this.#ends = ends;
    this.#write(encodeAnswer(answer));
    const isControl = hello.lane === "control";
    this.#reader.bytesMax = isControl ? limits.peerControlFrameBytesMax : limits.peerFrameBytesMax;
    this.#cancelTimer();
    const check = (): void => {
      this.#cancelTimer = clock.after(SILENCE_CHECK_MS, check);
      if (this.#isWaiting) return;
      if (this.#silentChecks > 0) this.cut("no sign of life");
      this.#silentChecks += 1;
    };
    this.#cancelTimer = clock.after(SILENCE_CHECK_MS, check);
  }

  /** One that asks and does not read the answers gets no more of them. */
  #pong(): void {
    const { socket } = this.#parts;
    if (!socket.writableNeedDrain) this.#write(pingFrame("pong"));
  }

  #write({ parts }: Frame): void {
    const { socket } = this.#parts;
    socket.cork();
    for (const part of parts) socket.write(part);
    socket.uncork();
  }
}
