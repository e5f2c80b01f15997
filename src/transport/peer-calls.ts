import {
  assert,
  AssertionError,
  below,
  decodeError,
  encodeError,
  limits,
  ProglogError,
  silentObserver,
  systemClock,
  systemRandom,
} from "../base/index.ts";
import type { Clock, ConfigurationMember, Observer, Random } from "../base/index.ts";
import type { ReplicaId } from "../raft/index.ts";
import type { Hello, PeerIdentity } from "./peer-hello.ts";
import type { Call, Reply } from "./peer-message.ts";

/** What servers ask each other besides Raft, and the numbers of it on the wire, which stay. */
export const PEER_METHODS = {
  /** What is there: a log, a grant, how many servers it waits for. */
  bootstrapAsk: 1,
  bootstrapGrant: 2,
  /** From the proposer: what came of its proposal. */
  bootstrapDecide: 3,
  /** To the proposer: what came of it? */
  bootstrapOutcome: 4,
  /** Appends that came to a server that does not lead. */
  forwardAppends: 16,
  /** What an operator asked of a server that does not lead. */
  control: 17,
} as const;
export type PeerMethod = keyof typeof PEER_METHODS;

/** Answers a call; what it throws, the caller's promise rejects with. */
export type PeerHandler = (
  payload: Uint8Array,
  caller: PeerIdentity,
) => Uint8Array | Promise<Uint8Array>;

/** The links that calls and their replies travel on: `PeerLinks` is one. */
export interface CallLinks {
  send(message: Call | Reply, onLost: () => void): void;
  learn(member: ConfigurationMember): void;
  /** A way to one who was just heard is dialled at once, and what is sent meanwhile waits for it. */
  heard(replicaId: ReplicaId): void;
  /** Calls back when a connection that carried calls has ended; the result unsubscribes. */
  onEnded(listener: (replicaId: ReplicaId) => void): () => void;
}

export interface PeerCallsOptions {
  readonly links: CallLinks;
  /** This server, as it is now. */
  readonly identity: () => PeerIdentity;
  /** The name of the log. */
  readonly log: string;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
  readonly observer?: Observer | undefined;
}

export interface PeerCallOptions {
  /** An answer that is later than this is not waited for. */
  readonly timeoutMs: number;
  /** Ends the waiting, not what is done at the other end. */
  readonly signal?: AbortSignal | undefined;
}

interface Pending {
  readonly to: ReplicaId;
  readonly resolve: (payload: Uint8Array) => void;
  readonly reject: (error: ProglogError) => void;
}

const DONE = 0;
const FAILED = 1;

/**
 * Questions and answers over the links between replicas. A call is sent at most once. It rejects with
 * `notAppended` set when it certainly was not taken by the other end: it never left this server, or
 * the other end said so. Otherwise whether it was done is unknown.
 */
export class PeerCalls {
  readonly #options: PeerCallsOptions;
  readonly #clock: Clock;
  readonly #observer: Observer;
  readonly #handlers = new Map<number, PeerHandler>();
  readonly #pending = new Map<number, Pending>();
  /** How many of each caller's calls are being answered. */
  readonly #served = new Map<ReplicaId, number>();
  readonly #unsubscribe: () => void;
  #next: number;
  #isClosed = false;

  constructor(options: PeerCallsOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#observer = options.observer ?? silentObserver;
    // Not from 1: a reply to what this server asked before it was restarted is not to fit.
    this.#next = below(options.random ?? systemRandom, 2 ** 31) * 2 ** 16;
    this.#unsubscribe = options.links.onEnded((replicaId) => this.#ended(replicaId));
  }

  /** Who answers calls of a method from now on. */
  handle(method: PeerMethod, handler: PeerHandler): void {
    this.#handlers.set(PEER_METHODS[method], handler);
  }

  /**
   * Asks another server. Rejects with what its handler threw, `UNAVAILABLE` (it cannot be reached, or
   * the connection broke), `DEADLINE_EXCEEDED`, `CANCELLED`, `RESOURCE_EXHAUSTED` (too many calls).
   */
  call(
    to: ConfigurationMember,
    method: PeerMethod,
    payload: Uint8Array,
    options: PeerCallOptions,
  ): Promise<Uint8Array> {
    assert(payload.length <= limits.peerCallBytesMax, "a call fits into a frame");
    const { signal, timeoutMs } = options;
    if (signal?.aborted === true) return refused("CANCELLED", "the call was given up");
    if (this.#isClosed) return refused("UNAVAILABLE", "the server is shutting down");
    if (this.#pending.size >= limits.peerCallsMax) {
      return refused("RESOURCE_EXHAUSTED", "too many calls to other servers wait");
    }
    const call = this.#next++;
    return new Promise((resolve, reject) => {
      const cancelled = (): void => this.#fail(call, "CANCELLED", "the call was given up");
      const cancelTimer = this.#clock.after(timeoutMs, () =>
        this.#fail(call, "DEADLINE_EXCEEDED", `${to.name} did not answer in time`),
      );
      const end = (): void => {
        cancelTimer();
        signal?.removeEventListener("abort", cancelled);
      };
      signal?.addEventListener("abort", cancelled);
      this.#pending.set(call, {
        to: to.replicaId,
        resolve: (answer) => {
          end();
          resolve(answer);
        },
        reject: (error) => {
          end();
          reject(error);
        },
      });
      this.#send(to, { call, method: PEER_METHODS[method], payload });
    });
  }

  /** Takes a call or a reply of the peer that said `hello`; never waits. */
  receive(message: Call | Reply, hello: Hello): void {
    if (this.#isClosed) return;
    if (message.kind === "reply") {
      this.#replied(message);
      return;
    }
    // The way back: whoever asks may be no member here, or one that was away until now.
    this.#options.links.learn(hello.from);
    this.#options.links.heard(hello.from.replicaId);
    this.#answer(message, hello);
  }

  /** Answers nobody any more, and waits for nobody. */
  close(): void {
    this.#isClosed = true;
    this.#unsubscribe();
    for (const call of [...this.#pending.keys()]) {
      this.#fail(call, "UNAVAILABLE", "the server is shutting down");
    }
  }

  #send(
    to: ConfigurationMember,
    question: Readonly<{ call: number; method: number; payload: Uint8Array }>,
  ): void {
    const { links, log, identity } = this.#options;
    links.learn(to);
    const ends = { log, from: identity().replicaId, to: to.replicaId };
    links.send({ kind: "call", ...ends, ...question }, () =>
      this.#fail(question.call, "UNAVAILABLE", `${to.name} cannot be reached`, true),
    );
  }

  #fail(
    call: number,
    code: "UNAVAILABLE" | "DEADLINE_EXCEEDED" | "CANCELLED",
    text: string,
    notAppended = false,
  ): void {
    this.#take(call)?.reject(new ProglogError(code, text, { notAppended }));
  }

  #take(call: number): Pending | undefined {
    const pending = this.#pending.get(call);
    this.#pending.delete(call);
    return pending;
  }

  /** What was on its way may have arrived, and its answer may be lost. */
  #ended(replicaId: ReplicaId): void {
    for (const [call, { to }] of [...this.#pending]) {
      if (to === replicaId) this.#fail(call, "UNAVAILABLE", "the connection broke");
    }
  }

  #replied({ call, from, status, payload }: Reply): void {
    // Late, or of somebody who was not asked.
    if (this.#pending.get(call)?.to !== from) return;
    const pending = this.#take(call);
    if (status === DONE) pending?.resolve(payload);
    else pending?.reject(decodeError(payload));
  }

  #answer(call: Call, { from }: Hello): void {
    const { replicaId } = from;
    const running = this.#served.get(replicaId) ?? 0;
    const handler = this.#handlers.get(call.method);
    if (running >= limits.peerCallsServedMax) {
      const error = new ProglogError("RESOURCE_EXHAUSTED", "too many calls of this server wait", {
        notAppended: true,
      });
      this.#reply(call, FAILED, encodeError(error));
      return;
    }
    this.#served.set(replicaId, running + 1);
    void this.#run(handler, call, from)
      .then(
        (payload) => this.#reply(call, DONE, payload),
        (caught: unknown) => this.#reply(call, FAILED, encodeError(failureOf(caught))),
      )
      .finally(() => this.#unserve(replicaId));
  }

  async #run(
    handler: PeerHandler | undefined,
    { method, payload }: Call,
    from: PeerIdentity,
  ): Promise<Uint8Array> {
    if (handler === undefined) {
      const text = `calls of kind ${method} are not answered here`;
      throw new ProglogError("UNKNOWN_METHOD", text, { notAppended: true });
    }
    return handler(payload, from);
  }

  #unserve(replicaId: ReplicaId): void {
    const left = (this.#served.get(replicaId) ?? 1) - 1;
    if (left === 0) this.#served.delete(replicaId);
    else this.#served.set(replicaId, left);
  }

  #reply({ from, to, call, log }: Call, status: number, payload: Uint8Array): void {
    if (this.#isClosed) return;
    assert(payload.length <= limits.peerCallBytesMax, "a reply fits into a frame");
    // Who asked hears no answer then, and stops waiting by itself.
    const lost = (): void => this.#observer.count("peer_replies_lost_total");
    const ends = { log, from: to, to: from };
    this.#options.links.send({ kind: "reply", ...ends, call, status, payload }, lost);
  }
}

function refused(
  code: "CANCELLED" | "UNAVAILABLE" | "RESOURCE_EXHAUSTED",
  text: string,
): Promise<never> {
  return Promise.reject(new ProglogError(code, text, { notAppended: true }));
}

/** A broken assertion is no answer: it is thrown again where nobody catches it. */
function failureOf(caught: unknown): ProglogError {
  if (caught instanceof AssertionError) {
    queueMicrotask(() => {
      throw caught;
    });
  }
  return ProglogError.from(caught);
}
