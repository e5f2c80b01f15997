import type { Http2Session, ServerHttp2Stream } from "node:http2";
import type { Duplex } from "node:stream";
import { limits } from "../base/index.ts";
import type { Caller } from "./gate.ts";

/** What a connection has received and sent so far, of which not more than a budget may be waste. */
interface Traffic {
  readonly read: number;
  readonly written: number;
  readonly data: number;
  readonly chunks: number;
  readonly calls: number;
}

/** What a socket has and another kind of stream may lack. */
type Counters = Duplex & { readonly bytesRead?: number; readonly bytesWritten?: number };

/** RFC 9113, section 4.1: a frame's header, and what padding a sender of good will adds. */
const FRAME_ALLOWANCE_BYTES = 32;
/** Headers of a call; HTTP/2's default is 64 KiB, what clients really send is a tenth of this. */
const CALL_ALLOWANCE_BYTES = 16 * 1024;
/** Of what was sent: window updates, settings and answers to pings come back for it. */
const ACKNOWLEDGED_SHARE = 0.25;

/**
 * One HTTP/2 connection and its budgets. Node itself bounds most floods, but it takes frames without
 * an end that are legal and carry nothing, and after it has said good-bye (GOAWAY) to a connection
 * that resets too much, it stops reading and leaves the socket open.
 *
 * Waste is what came in and was neither data of a call, nor frames and headers around it, nor an
 * acknowledgement of what was sent.
 */
export class GrpcConnection {
  readonly socket: Duplex;
  readonly caller: Caller | undefined;
  #session: Http2Session | undefined;
  #calls = 0;
  /** That have to be answered before a good-bye. */
  #awaited = 0;
  #isDismissed = false;
  #resets = 0;
  #waste = 0;
  #data = 0;
  #chunks = 0;
  #last: Traffic = { read: 0, written: 0, data: 0, chunks: 0, calls: 0 };
  /** What is held of its requests, in bytes. */
  held = 0;
  /** It is being cut: what it still holds goes with it, and is not counted any more. */
  isLetGo = false;
  /** Nothing came since the last look. */
  #isSilent = true;
  /** A ping that is not answered yet. */
  #pinged: { readonly atMs: number } | undefined;
  /** It was asked since it sent something last. */
  #asked = true;

  constructor(socket: Duplex, caller: Caller | undefined) {
    this.socket = socket;
    this.caller = caller;
  }

  opened(session: Http2Session): void {
    this.#session = session;
  }

  /**
   * A call begins, of which nobody could know what became if it were cut, or not. True when the good-bye
   * waits for its end; one that begins after the dismissal is refused, and needs no waiting.
   */
  begin(isUnrepeatable: boolean): boolean {
    this.#calls += 1;
    const isAwaited = isUnrepeatable && !this.#isDismissed;
    if (isAwaited) this.#awaited += 1;
    return isAwaited;
  }

  /**
   * Says good-bye (GOAWAY) as soon as no call runs on it that may not be cut. Not before: Node's client
   * refuses to send a sign of life once it was said, grpc-js takes that for a lost connection, and drops
   * the calls on it.
   */
  dismiss(): void {
    this.#isDismissed = true;
    if (this.#awaited > 0) return;
    if (this.#session === undefined) this.socket.destroy();
    else this.#session.close();
  }

  /** A part of a request, and how much more is held since. */
  received(bytes: number, held: number): void {
    this.#data += bytes;
    this.#chunks += 1;
    this.held += held;
  }

  /** With what `begin` said of it. True when calls were broken off once too often. */
  end(stream: ServerHttp2Stream, isAwaited: boolean): boolean {
    if (isAwaited) {
      this.#awaited -= 1;
      if (this.#isDismissed) this.dismiss();
    }
    if (stream.rstCode === 0) return false;
    this.#resets += 1;
    return this.#resets > limits.resetsBurstMax;
  }

  destroy(): void {
    this.#session?.destroy();
    this.socket.destroy();
  }

  /** Looked at in a fixed interval; answers why the connection should end, if it should. */
  check(): string | undefined {
    this.#resets = Math.max(0, this.#resets - limits.resetsPerCheck);
    const last = this.#last;
    const traffic = this.#traffic();
    this.#last = traffic;
    // What has come in and is not read yet counts as waste until it is; a window is as much.
    const waste = this.#waste + wasteOf(last, traffic) - limits.wasteBytesPerCheck;
    this.#waste = Math.max(0, waste);
    if (this.#waste > limits.wasteBytesMax) return "it sends frames that carry nothing";
    this.#isSilent = last.read === traffic.read;
    return undefined;
  }

  /**
   * Who falls silent after he has sent something is asked once for a sign of life: a connection that
   * HTTP/2 has given up on reads nothing any more, and would stay until somebody closes it.
   */
  isGone(nowMs: number): boolean {
    if (!this.#isSilent) {
      this.#asked = false;
      this.#pinged = undefined;
    } else if (this.#pinged !== undefined) {
      return nowMs - this.#pinged.atMs > limits.keepaliveTimeoutMs;
    } else if (!this.#asked) {
      this.#ping(nowMs);
    }
    return false;
  }

  #traffic(): Traffic {
    const { bytesRead: read = 0, bytesWritten: written = 0 } = this.socket as Counters;
    return { read, written, data: this.#data, chunks: this.#chunks, calls: this.#calls };
  }

  #ping(nowMs: number): void {
    this.#asked = true;
    const session = this.#session;
    if (session === undefined || session.destroyed) return;
    const asked = { atMs: nowMs };
    this.#pinged = asked;
    const answered = (): void => {
      if (this.#pinged === asked) this.#pinged = undefined;
      // The answer itself is traffic, and no reason to ask again.
      this.#last = this.#traffic();
    };
    if (!session.ping(answered)) this.#pinged = undefined;
  }
}

function wasteOf(from: Traffic, to: Traffic): number {
  return (
    to.read -
    from.read -
    (to.data - from.data) -
    FRAME_ALLOWANCE_BYTES * (to.chunks - from.chunks) -
    CALL_ALLOWANCE_BYTES * (to.calls - from.calls) -
    ACKNOWLEDGED_SHARE * (to.written - from.written)
  );
}
