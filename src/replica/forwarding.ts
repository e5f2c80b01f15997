import { AssertionError, below, Deque, encodeBatch, limits, ProglogError } from "../base/index.ts";
import type {
  AppendAnswer,
  AppendOptions,
  AppendStream,
  Clock,
  ConfigurationMember,
  Observer,
  ProducerIdentity,
  Random,
  RecordInput,
} from "../base/index.ts";
import { refuseEarly } from "./append-loop.ts";
import { abortError, checkConditions } from "./checks.ts";
import { decodeForwardResults, encodeForwardRequest, forwardedBytes } from "./forward-codec.ts";
import type { ForwardedAppend, ForwardKind, ForwardResult } from "./forward-codec.ts";
import { checkProducerName } from "./producer-codec.ts";

/** Appends of this server alone: `Replica` is one. */
export interface LocalAppends {
  /** Whether appends are decided here, now or as soon as they can be. */
  readonly decides: boolean;
  readonly term: number;
  /** Who leads, as far as it is known here. */
  readonly leader: ConfigurationMember | undefined;
  append(record: RecordInput, options: AppendOptions): Promise<AppendAnswer>;
  appendBatch(batch: Uint8Array, options: AppendOptions): Promise<AppendAnswer>;
  createProducer(name: string, signal?: AbortSignal): Promise<ProducerIdentity>;
  /** What is said to those who have come to a server that does not lead. */
  notLeader(): ProglogError;
}

/**
 * Asks another server, once. Rejects with `notAppended` when the question certainly was not taken
 * there: it never left, or they said so.
 */
export type AskLeader = (
  leader: ConfigurationMember,
  payload: Uint8Array,
  timeoutMs: number,
) => Promise<Uint8Array>;

export interface ForwarderParts {
  readonly local: LocalAppends;
  readonly ask: AskLeader;
  readonly clock: Clock;
  readonly random: Random;
  readonly observer: Observer;
  /** Runs a task soon, after the input that is there already. */
  readonly schedule: (task: () => void) => void;
}

/** Whom a stream's appends go to; all that are unanswered go to the same. */
interface Route {
  readonly leader: number;
  readonly term: number;
  readonly id: number;
  next: number;
}

interface Session {
  route: Route | undefined;
  /** On their way to the leader. */
  sent: number;
  /** Those, and what waits here. */
  unanswered: number;
}

/** An append that came in here and is to be decided elsewhere. */
interface Waiting {
  readonly append: ForwardedAppend;
  readonly options: AppendOptions;
  readonly session: Session | undefined;
  readonly bytes: number;
  readonly local: () => Promise<ForwardResult>;
  /** Nobody needs to tell any more that the caller has given up. */
  readonly forget: () => void;
  readonly resolve: (result: ForwardResult) => void;
  readonly reject: (error: ProglogError) => void;
}

/**
 * Appends at any server: decided here when this one leads, else handed to the one that does, one hop,
 * in groups of what waits.
 *
 * - An append is sent at most once, whatever becomes of it. Who leads now is asked when it is sent.
 * - It is told as not appended only if it never left this server, or the leader said so.
 * - Of one stream everything that is unanswered goes one way, in order: to another leader, or into
 *   this server's own log, only when nothing of it is open any more. Otherwise it is refused.
 * - What waits and what is on its way is bounded, like the appends of a leader.
 */
export class Forwarder {
  readonly #parts: ForwarderParts;
  readonly #local: LocalAppends;
  readonly #queue = new Deque<Waiting>();
  readonly #sessions = new WeakMap<AppendStream, Session>();
  #hasSessions = false;
  #bytes = 0;
  #unanswered = 0;
  #calls = 0;
  #nextStream: number;
  #isScheduled = false;

  constructor(parts: ForwarderParts) {
    this.#parts = parts;
    this.#local = parts.local;
    // Not from 1: the leader may remember streams of this server before it was restarted.
    this.#nextStream = below(parts.random, 2 ** 31) * 2 ** 16;
  }

  append(record: RecordInput, options: AppendOptions): Promise<AppendAnswer> {
    if (this.#local.decides && !this.#isElsewhere(options)) {
      return this.#local.append(record, options);
    }
    return this.#forward(options, "record", () => encodeBatch([record], { nowMs: 0 }), {
      local: () => this.#local.append(record, options).then(appended),
    }).then(answerOf);
  }

  appendBatch(batch: Uint8Array, options: AppendOptions): Promise<AppendAnswer> {
    if (this.#local.decides && !this.#isElsewhere(options)) {
      return this.#local.appendBatch(batch, options);
    }
    return this.#forward(options, "batch", () => checkedBatch(batch), {
      local: () => this.#local.appendBatch(batch, options).then(appended),
    }).then(answerOf);
  }

  createProducer(name: string, signal?: AbortSignal): Promise<ProducerIdentity> {
    if (this.#local.decides) return this.#local.createProducer(name, signal);
    const body = (): Uint8Array => {
      checkProducerName(name);
      return new TextEncoder().encode(name);
    };
    const local = async (): Promise<ForwardResult> => {
      return { kind: "producer", identity: await this.#local.createProducer(name, signal) };
    };
    return this.#forward({ signal }, "producer", body, { local }).then(identityOf);
  }

  /** Whether something of the same stream is on another way. */
  #isElsewhere({ stream }: AppendOptions): boolean {
    if (!this.#hasSessions || stream === undefined) return false;
    return (this.#sessions.get(stream)?.unanswered ?? 0) > 0;
  }

  #forward(
    options: AppendOptions,
    kind: ForwardKind,
    body: () => Uint8Array,
    { local }: Pick<Waiting, "local">,
  ): Promise<ForwardResult> {
    let append: ForwardedAppend;
    try {
      const refusal = this.#refusal(options);
      if (refusal !== undefined) throw refusal;
      checkConditions(options);
      const { expectedOffset, stamp, origin } = options;
      const subject = (origin?.subject ?? "").slice(0, limits.peerNameBytesMax);
      append = { kind, subject, expectedOffset, stamp, stream: undefined, body: body() };
    } catch (caught) {
      if (caught instanceof AssertionError) throw caught;
      return Promise.reject(refuseEarly(caught, options));
    }
    const bytes = forwardedBytes(append);
    if (this.#unanswered >= limits.proposalsMax || this.#bytes + bytes > limits.proposalsBytesMax) {
      const full = new ProglogError("RESOURCE_EXHAUSTED", "too many appends wait for the leader");
      return Promise.reject(refuseEarly(full, options));
    }
    return new Promise((resolve, reject) => {
      const { signal } = options;
      const session = this.#sessionOf(options);
      const abandoned = (): void => {
        if (signal !== undefined) reject(abortError(signal));
      };
      signal?.addEventListener("abort", abandoned);
      const forget = (): void => signal?.removeEventListener("abort", abandoned);
      this.#enter({ append, options, session, bytes, local, forget, resolve, reject });
    });
  }

  #refusal(options: AppendOptions): ProglogError | undefined {
    const { signal, stream } = options;
    if (signal?.aborted === true) return abortError(signal);
    if (stream?.failed !== undefined) return stream.failed;
    if (this.#local.decides) return this.#isElsewhere(options) ? otherWay() : undefined;
    return this.#local.leader === undefined ? this.#local.notLeader() : undefined;
  }

  #sessionOf({ stream }: AppendOptions): Session | undefined {
    if (stream === undefined) return undefined;
    let session = this.#sessions.get(stream);
    if (session === undefined) {
      session = { route: undefined, sent: 0, unanswered: 0 };
      this.#sessions.set(stream, session);
      this.#hasSessions = true;
    }
    return session;
  }

  #enter(waiting: Waiting): void {
    this.#queue.push(waiting);
    this.#bytes += waiting.bytes;
    this.#unanswered += 1;
    if (waiting.session !== undefined) waiting.session.unanswered += 1;
    this.#pumpSoon();
  }

  /** All that come in one turn of the event loop share a call. */
  #pumpSoon(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#parts.schedule(() => {
      this.#isScheduled = false;
      this.#pump();
    });
  }

  #pump(): void {
    while (this.#queue.length > 0 && this.#calls < limits.forwardCallsMax) {
      const { decides, leader, term } = this.#local;
      if (decides) this.#keep();
      else if (leader === undefined) this.#refuseAll();
      else this.#send(leader, term, this.#take(leader.replicaId, term));
    }
  }

  /** This server leads by now. */
  #keep(): void {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      const { session, local, resolve } = next;
      if ((session?.sent ?? 0) > 0) {
        this.#refuse(next, otherWay());
        continue;
      }
      // From here on the order of a stream is the local log's to keep.
      this.#leave(next);
      local().then(resolve, next.reject);
    }
  }

  #refuseAll(): void {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      this.#refuse(next, this.#local.notLeader());
    }
  }

  /** The next ones that may go to this leader, as many as one call takes. */
  #take(leader: number, term: number): Waiting[] {
    const group: Waiting[] = [];
    let bytes = 0;
    for (let next = this.#queue.peek(); next !== undefined; next = this.#queue.peek()) {
      if (group.length >= limits.forwardAppendsMax) break;
      if (group.length > 0 && bytes + next.bytes > limits.forwardCallBytesMax) break;
      this.#queue.shift();
      const refusal = this.#refusalOf(next, leader, term);
      if (refusal !== undefined) {
        this.#refuse(next, refusal);
        continue;
      }
      if (next.session !== undefined) next.session.sent += 1;
      bytes += next.bytes;
      group.push(next);
    }
    return group;
  }

  #refusalOf(waiting: Waiting, leader: number, term: number): ProglogError | undefined {
    const { session, options } = waiting;
    const { signal, stream, origin } = options;
    if (signal?.aborted === true) return abortError(signal);
    if (stream?.failed !== undefined) return stream.failed;
    const { deadlineMs } = origin ?? {};
    if (deadlineMs !== undefined && deadlineMs <= this.#parts.clock.now()) {
      return new ProglogError("DEADLINE_EXCEEDED", "the leader could not be asked in time");
    }
    if (session === undefined) return undefined;
    const { route } = session;
    if (route?.leader === leader && route.term === term) return undefined;
    if (session.sent > 0) return otherWay();
    session.route = { leader, term, id: this.#nextStream++, next: 0 };
    return undefined;
  }

  #send(leader: ConfigurationMember, term: number, group: readonly Waiting[]): void {
    if (group.length === 0) return;
    const { ask, observer, clock } = this.#parts;
    const nowMs = clock.now();
    const timeoutMs = Math.max(...group.map(({ options }) => timeoutOf(options, nowMs)));
    const spans = group.map(({ options }) =>
      options.span?.child("log.forward", { leader: leader.name }),
    );
    const appends = group.map(({ append, session }, at) => ({
      ...placed(append, session?.route),
      trace: spans[at]?.traceparent,
    }));
    observer.count("appends_forwarded_total", group.length);
    this.#calls += 1;
    void ask(leader, encodeForwardRequest({ term, timeoutMs, appends }), timeoutMs)
      .then((payload) => decodeForwardResults(payload, group.length))
      .catch((caught: unknown) => {
        const error = this.#failureOf(caught, leader);
        return group.map((): ForwardResult => ({ kind: "failed", error }));
      })
      .then((results) => {
        this.#calls -= 1;
        for (const [at, waiting] of group.entries()) {
          const result = results[at] as ForwardResult;
          spans[at]?.end(result.kind === "failed" ? result.error.message : undefined);
          this.#settle(waiting, result);
        }
        this.#pump();
      });
  }

  /** A call that never left is told like one that came to the wrong server: another may be asked. */
  #failureOf(caught: unknown, leader: ConfigurationMember): ProglogError {
    if (caught instanceof AssertionError) throw caught;
    const error = ProglogError.from(caught);
    if (error.code !== "UNAVAILABLE") return error;
    if (error.notAppended) {
      const { details } = this.#local.notLeader();
      const text = `this server does not lead, and ${leader.name}, which does, cannot be reached`;
      return new ProglogError("NOT_LEADER", text, { details, notAppended: true, cause: error });
    }
    const text = `the leader, ${leader.name}, was lost before it answered; the append may be in the log or not`;
    return new ProglogError("UNAVAILABLE", text, { cause: error });
  }

  #refuse(waiting: Waiting, caught: ProglogError): void {
    this.#leave(waiting);
    waiting.reject(refuseEarly(caught, waiting.options));
  }

  #settle(waiting: Waiting, result: ForwardResult): void {
    const { session, options } = waiting;
    if (session !== undefined) session.sent -= 1;
    this.#leave(waiting);
    if (result.kind !== "failed") {
      waiting.resolve(result);
      return;
    }
    if (options.stream !== undefined) options.stream.failed ??= result.error;
    waiting.reject(result.error);
  }

  #leave({ session, bytes, forget }: Waiting): void {
    forget();
    this.#bytes -= bytes;
    this.#unanswered -= 1;
    if (session !== undefined) session.unanswered -= 1;
  }
}

function placed(append: ForwardedAppend, route: Route | undefined): ForwardedAppend {
  if (route === undefined) return append;
  return { ...append, stream: { id: route.id, position: route.next++ } };
}

function timeoutOf({ origin }: AppendOptions, nowMs: number): number {
  const { deadlineMs } = origin ?? {};
  const leftMs = deadlineMs === undefined ? limits.forwardTimeoutMs : deadlineMs - nowMs;
  return Math.max(1, Math.min(limits.forwardTimeoutMs, Math.ceil(leftMs)));
}

function checkedBatch(batch: Uint8Array): Uint8Array {
  if (batch.length <= limits.batchBytesMax) return batch;
  throw new ProglogError("BATCH_TOO_LARGE", `a batch of ${batch.length} bytes`);
}

/** Leadership moved while something of the stream was open: behind it nothing may be appended. */
function otherWay(): ProglogError {
  const text = "leadership moved while appends before this one were open";
  return new ProglogError("UNAVAILABLE", text);
}

function appended(answer: AppendAnswer): ForwardResult {
  return { kind: "appended", answer };
}

function answerOf(result: ForwardResult): AppendAnswer {
  if (result.kind === "appended") return result.answer;
  throw mismatch();
}

function identityOf(result: ForwardResult): ProducerIdentity {
  if (result.kind === "producer") return result.identity;
  throw mismatch();
}

function mismatch(): ProglogError {
  return new ProglogError("CORRUPT_BATCH", "the leader answered something else");
}
