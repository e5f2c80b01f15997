import type { Duplex } from "node:stream";
import { limits, ProglogError } from "../base/index.ts";
import type { Clock } from "../base/index.ts";
import { FrameReader } from "./peer-frame.ts";
import type { Frame } from "./peer-frame.ts";
import { decodeAnswer, encodeHello } from "./peer-hello.ts";
import type { Hello, HelloAnswer } from "./peer-hello.ts";
import { isPing, pingFrame } from "./raft-codec.ts";

export interface OutgoingParts {
  readonly socket: Duplex;
  readonly hello: Hello;
  readonly clock: Clock;
  readonly onAnswer: (answer: HelloAnswer) => void;
  /** The connection takes frames again. */
  readonly onDrain: () => void;
  /** Once, with a reason for people. */
  readonly onEnd: (reason: string) => void;
}

/**
 * One connection that we dialled: says hello, hears the answer, then only sends. What comes back are
 * signs of life, without which a connection into the void would look open for a quarter of an hour.
 */
export class OutgoingConnection {
  readonly #parts: OutgoingParts;
  readonly #reader = new FrameReader(limits.peerHelloBytesMax);
  #answered = false;
  #pingsUnanswered = 0;
  #cancelTimer: () => void;
  #reason: string | undefined;

  constructor(parts: OutgoingParts) {
    this.#parts = parts;
    const { socket, hello, clock } = parts;
    this.#cancelTimer = clock.after(limits.handshakeTimeoutMs, () => this.cut("no answer in time"));
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("drain", () => parts.onDrain());
    socket.on("error", (error) => this.cut(error.message));
    socket.on("end", () => this.cut("closed by the other end"));
    socket.on("close", () => {
      this.#cancelTimer();
      parts.onEnd(this.#reason ?? "closed");
    });
    this.write(encodeHello(hello));
  }

  /** Whether a frame would go on its way now. */
  get isWritable(): boolean {
    const { socket } = this.#parts;
    return socket.writable && !socket.writableNeedDrain;
  }

  /** What the socket holds and the kernel has not taken yet. */
  get waitingBytes(): number {
    return this.#parts.socket.writableLength;
  }

  /** Frames of one turn of the event loop leave in one write. */
  write({ parts }: Frame): void {
    const { socket } = this.#parts;
    if (socket.writableCorked === 0) {
      socket.cork();
      process.nextTick(() => socket.uncork());
    }
    for (const part of parts) socket.write(part);
  }

  cut(reason: string): void {
    this.#reason ??= reason;
    this.#parts.socket.destroy();
  }

  #read(chunk: Buffer): void {
    if (this.#reason !== undefined) return;
    try {
      for (const body of this.#reader.read(chunk)) this.#take(body);
    } catch (error) {
      if (!(error instanceof ProglogError)) throw error;
      this.cut(error.message);
    }
  }

  #take(body: Uint8Array): void {
    if (this.#answered) {
      if (!isPing(body, "pong")) throw new ProglogError("CORRUPT_BATCH", "an unexpected answer");
      this.#pingsUnanswered = 0;
      return;
    }
    this.#answered = true;
    const answer = decodeAnswer(body);
    this.#cancelTimer();
    this.#parts.onAnswer(answer);
    if (answer.kind === "refused") this.cut(`refused (${answer.refusal}): ${answer.text}`);
    else this.#ping();
  }

  /** Questions are counted, not time: a process that stood still must not take it for silence. */
  #ping(): void {
    this.#cancelTimer = this.#parts.clock.after(limits.peerPingIntervalMs, () => {
      if (this.#pingsUnanswered >= limits.peerPingsMissedMax) {
        this.cut("no sign of life");
        return;
      }
      this.#pingsUnanswered += 1;
      this.write(pingFrame("ping"));
      this.#ping();
    });
  }
}
