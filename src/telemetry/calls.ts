import type {
  CallFacts,
  CallKind,
  Clock,
  Fields,
  Labels,
  ObservedCall,
  Span,
} from "../base/index.ts";
import type { Logger } from "./logger.ts";
import { plainText } from "./redact.ts";
import type { Registry } from "./registry.ts";
import type { Tracing } from "./tracing.ts";

export type AccessLog = "off" | "errors" | "all";

export interface CallsOptions {
  readonly registry: Registry;
  readonly logger: Logger | undefined;
  readonly accessLog: AccessLog;
  readonly tracing: Tracing | undefined;
  readonly clock: Clock;
}

/** What is the same for all calls of one method, found by its `CallKind`. */
interface KindState {
  readonly kind: CallKind;
  readonly labels: Labels;
  /** By code: there are few, and each has its own series. */
  readonly outcomes: Map<string, Labels>;
  inFlight: number;
  // Since the last look: a hot stream must not pay a look-up for each of its messages.
  receivedMessages: number;
  receivedBytes: number;
  sentMessages: number;
  sentBytes: number;
}

/** Ends of a call that are its client's doing and no failure. */
const GOOD: ReadonlySet<string> = new Set(["OK", "CANCELLED", "499"]);

/** Counts, times, logs and traces every call. */
export class Calls {
  readonly options: CallsOptions;
  readonly #kinds = new Map<CallKind, KindState>();

  constructor(options: CallsOptions) {
    this.options = options;
    options.registry.onCollect(() => {
      for (const state of this.#kinds.values()) tell(options.registry, state);
    });
  }

  begin(kind: CallKind, facts: CallFacts): ObservedCall {
    let state = this.#kinds.get(kind);
    if (state === undefined) {
      state = stateOf(kind);
      this.#kinds.set(kind, state);
    }
    const span = this.options.tracing?.beginCall(kind, facts);
    return new RunningCall(this.options, state, facts, span);
  }
}

function stateOf(kind: CallKind): KindState {
  return {
    kind,
    labels: { service: kind.service, method: kind.method },
    outcomes: new Map(),
    inFlight: 0,
    receivedMessages: 0,
    receivedBytes: 0,
    sentMessages: 0,
    sentBytes: 0,
  };
}

function tell(registry: Registry, state: KindState): void {
  const { labels } = state;
  registry.gauge("calls_in_flight", state.inFlight, labels);
  registry.count("messages_received_total", state.receivedMessages, labels);
  registry.count("received_bytes_total", state.receivedBytes, labels);
  registry.count("messages_sent_total", state.sentMessages, labels);
  registry.count("sent_bytes_total", state.sentBytes, labels);
  state.receivedMessages = state.receivedBytes = 0;
  state.sentMessages = state.sentBytes = 0;
}

class RunningCall implements ObservedCall {
  readonly span: Span | undefined;
  readonly #options: CallsOptions;
  readonly #state: KindState;
  readonly #facts: CallFacts;
  readonly #startedAt: number;

  constructor(options: CallsOptions, state: KindState, facts: CallFacts, span: Span | undefined) {
    this.#options = options;
    this.#state = state;
    this.#facts = facts;
    this.span = span;
    this.#startedAt = options.clock.monotonic();
    state.inFlight += 1;
  }

  received(bytes: number): void {
    this.#state.receivedMessages += 1;
    this.#state.receivedBytes += bytes;
  }

  sent(bytes: number): void {
    this.#state.sentMessages += 1;
    this.#state.sentBytes += bytes;
  }

  end(code: string, error?: string): void {
    const { registry, clock, accessLog } = this.#options;
    const { kind, labels, outcomes } = this.#state;
    const ms = clock.monotonic() - this.#startedAt;
    this.#state.inFlight -= 1;
    let outcome = outcomes.get(code);
    if (outcome === undefined) {
      outcome = { ...labels, code };
      outcomes.set(code, outcome);
    }
    registry.count("calls_total", 1, outcome);
    if (!kind.isStream) registry.measure("call_duration_seconds", ms / 1_000, labels);
    const isGood = isGoodEnd(code);
    this.span?.end(isGood ? undefined : `${code} ${error ?? ""}`.trim());
    if (accessLog === "all" || (accessLog === "errors" && !isGood)) this.#log(code, error, ms);
  }

  /** Names of the fields: the book, chapter 6. */
  #log(code: string, error: string | undefined, ms: number): void {
    const { logger, clock } = this.#options;
    const { system, service, method } = this.#state.kind;
    if (logger?.tells("info") !== true) return;
    const failure = error === undefined || error === "" ? undefined : plainText(error);
    const fields: Fields = {
      system,
      "span.kind": "server",
      [`${system}.start_time`]: new Date(clock.now() - ms).toISOString(),
      [`${system}.service`]: service,
      [`${system}.method`]: method,
      "peer.address": this.#facts.peer(),
      [`${system}.code`]: code,
      [`${system}.time_ns`]: Math.round(ms * 1e6),
      error: failure,
      trace_id: this.span?.traceId,
    };
    logger.log("info", `${system}.call`, fields);
  }
}

function isGoodEnd(code: string): boolean {
  return GOOD.has(code) || /^[123]\d\d$/.test(code);
}
