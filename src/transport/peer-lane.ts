import type { Duplex } from "node:stream";
import { below, limits } from "../base/index.ts";
import type { Clock, Observer, Random } from "../base/index.ts";
import type { Frame } from "./peer-frame.ts";
import type { Hello, HelloAnswer } from "./peer-hello.ts";
import { OutgoingConnection } from "./peer-outgoing.ts";

export interface LaneParts {
  /** Asked at each dial: what is known of us and of them changes. */
  readonly hello: () => Hello;
  /** Opens a connection; rejects when `signal` says so. */
  readonly dial: (signal: AbortSignal) => Promise<Duplex>;
  readonly onAnswer: (answer: HelloAnswer) => void;
  /** Something that was to be sent is lost. */
  readonly onUnreachable: () => void;
  /** A connection that was open has ended. */
  readonly onEnded: () => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly observer: Observer;
}

/**
 * One of the connections to a peer, dialled again and again. What waits for it is bounded: the oldest
 * is dropped, because the newest is what the other side can use. While nobody can be reached nothing
 * waits at all; Raft says again what matters.
 */
export class PeerLane {
  readonly #parts: LaneParts;
  #isClosed = false;
  /** Ends the dial that runs, or the pause after it. */
  #interrupt = new AbortController();
  /** Lets the pause that runs last so much longer at most. */
  #hasten: ((ms: number) => void) | undefined;
  /** The time of the last dial that a word from the other side has brought forward. */
  #wokenAt = -Infinity;
  readonly #running: Promise<void>;
  #queue: Frame[] = [];
  #queueBytes = 0;
  #state: "dialing" | "open" | "away" = "dialing";
  #connection: OutgoingConnection | undefined;
  #failures = 0;
  #openedAt: number | undefined;
  #wasRefused = false;
  #complaint = "";

  constructor(parts: LaneParts) {
    this.#parts = parts;
    this.#running = this.#run();
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  send(frame: Frame): void {
    if (this.#state === "away" || this.#isClosed) {
      this.#lost([frame]);
      return;
    }
    this.#queue.push(frame);
    this.#queueBytes += frame.bytes;
    if (this.#state === "open") this.#pump();
    this.#makeRoom();
  }

  /**
   * The other side has just been heard: it is dialled now, and what is to be sent waits for that. Not again
   * and again: where something lets both sides in and cuts them, each one's hello would be what makes the
   * other dial.
   */
  wake(): void {
    if (this.#state !== "away" || this.#wasRefused || this.#hasten === undefined) return;
    this.#state = "dialing";
    const nowMs = this.#parts.clock.monotonic();
    this.#wokenAt = Math.max(nowMs, this.#wokenAt + limits.peerWakePauseMs);
    this.#hasten(this.#wokenAt - nowMs);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#interrupt.abort();
    this.#connection?.cut("closed here");
    await this.#running;
  }

  /** What the socket holds counts too: it waits as well. */
  #makeRoom(): void {
    const dropped: Frame[] = [];
    const inSocket = this.#connection?.waitingBytes ?? 0;
    while (
      this.#queue.length > limits.peerQueueMessagesMax ||
      (this.#queue.length > 1 && this.#queueBytes + inSocket > limits.peerQueueBytesMax)
    ) {
      const oldest = this.#queue.shift();
      if (oldest === undefined) break;
      this.#queueBytes -= oldest.bytes;
      dropped.push(oldest);
    }
    this.#lost(dropped);
  }

  #lost(frames: readonly Frame[]): void {
    if (frames.length === 0) return;
    this.#parts.observer.count("peer_messages_dropped_total", frames.length);
    if (!this.#isClosed) this.#parts.onUnreachable();
    for (const { onLost } of frames) onLost?.();
  }

  #pump(): void {
    const connection = this.#connection;
    let sent = 0;
    for (const frame of this.#queue) {
      if (connection?.isWritable !== true) break;
      connection.write(frame);
      this.#queueBytes -= frame.bytes;
      sent += 1;
    }
    if (sent > 0) this.#queue.splice(0, sent);
  }

  async #run(): Promise<void> {
    while (!this.#hasEnded()) {
      this.#state = "dialing";
      this.#openedAt = undefined;
      this.#wasRefused = false;
      const reason = await this.#connect();
      this.#connection = undefined;
      this.#state = "away";
      const lost = this.#queue;
      this.#queue = [];
      this.#queueBytes = 0;
      this.#lost(lost);
      if (this.#wasOpen()) this.#parts.onEnded();
      if (this.#hasEnded()) break;
      this.#complain(reason);
      await this.#pause();
    }
  }

  /** Asked again after each wait. */
  #hasEnded(): boolean {
    return this.#isClosed;
  }

  #wasOpen(): boolean {
    return this.#openedAt !== undefined;
  }

  /** One connection from its dial to its end; resolves with the reason. */
  async #connect(): Promise<string> {
    const { dial, hello, clock, observer } = this.#parts;
    this.#interrupt = new AbortController();
    const { signal } = this.#interrupt;
    const cancel = clock.after(limits.handshakeTimeoutMs, () => {
      this.#interrupt.abort(new Error("no connection in time"));
    });
    let socket: Duplex;
    try {
      observer.count("peer_dials_total");
      socket = await orAborted(dial(signal), signal);
    } catch (error) {
      return reasonOf(error);
    } finally {
      cancel();
    }
    if (socket.destroyed) return "closed at once";
    return new Promise((resolve) => {
      this.#connection = new OutgoingConnection({
        socket,
        hello: hello(),
        clock,
        onAnswer: (answer) => this.#answered(answer),
        onDrain: () => {
          if (this.#state === "open") this.#pump();
        },
        onEnd: resolve,
      });
      if (this.#hasEnded()) this.#connection.cut("closed here");
    });
  }

  #answered(answer: HelloAnswer): void {
    this.#wasRefused = answer.kind === "refused";
    this.#parts.onAnswer(answer);
    if (answer.kind === "refused") return;
    this.#openedAt = this.#parts.clock.monotonic();
    this.#complaint = "";
    this.#state = "open";
    this.#pump();
  }

  #pause(): Promise<void> {
    const { clock } = this.#parts;
    const lived = this.#openedAt === undefined ? 0 : clock.monotonic() - this.#openedAt;
    if (lived >= limits.peerRetryMsMax) this.#failures = 0;
    const ms = this.#pauseMs();
    this.#failures += 1;
    this.#interrupt = new AbortController();
    const { signal } = this.#interrupt;
    const endsAt = clock.monotonic() + ms;
    return new Promise((resolve) => {
      const end = (): void => {
        cancel();
        this.#hasten = undefined;
        resolve();
      };
      let cancel = clock.after(ms, end);
      this.#hasten = (sooner) => {
        cancel();
        if (sooner <= 0) end();
        else cancel = clock.after(Math.min(sooner, endsAt - clock.monotonic()), end);
      };
      signal.addEventListener("abort", end);
    });
  }

  #pauseMs(): number {
    const { peerRetryMsMin, peerRetryMsMax } = limits;
    const doubled = Math.min(peerRetryMsMin * 2 ** Math.min(this.#failures, 16), peerRetryMsMax);
    const longest = this.#wasRefused ? peerRetryMsMax : doubled;
    return longest / 2 + below(this.#parts.random, longest / 2 + 1);
  }

  /** The same reason is told once, until a connection was open again. */
  #complain(reason: string): void {
    this.#parts.observer.count("peer_connections_failed_total");
    if (reason === this.#complaint) return;
    this.#complaint = reason;
    const peer = this.#parts.hello().to.name;
    this.#parts.observer.log("warn", "peer.connection-ended", { peer, reason });
  }
}

/** Several addresses that all failed have a code and no words. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message === ""
    ? ((error as NodeJS.ErrnoException).code ?? error.name)
    : error.message;
}

/** A connection, or the rejection that `signal` stands for; one that comes later is closed. */
function orAborted(dialled: Promise<Duplex>, signal: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason as Error));
    dialled.then((socket) => {
      if (!signal.aborted) {
        resolve(socket);
        return;
      }
      socket.on("error", () => undefined);
      socket.destroy();
    }, reject);
  });
}
