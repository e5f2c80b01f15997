import type { Fields, Observer } from "./observer.ts";
import { silentObserver } from "./observer.ts";

/** A part of a trace that was begun. There is one only where somebody looks: most calls have none. */
export interface Span {
  readonly traceId: string;
  /** What a call to another server carries in its header `traceparent` (W3C Trace Context). */
  readonly traceparent: string;
  /** Begins a part of this one; `startedAtMs` (since 1970) when it has begun before. */
  child(name: string, fields?: Fields, startedAtMs?: number): Span;
  /** Once. With an error when it failed. */
  end(error?: string): void;
}

/** A call as it comes in. Made once for each method of a server, not once for each call. */
export interface CallKind {
  readonly system: "grpc" | "http";
  /** The gRPC service, `log.v1.Log`; of HTTP always `http`. */
  readonly service: string;
  /** `Produce`; the path of HTTP with its method, `POST /v1/records`. */
  readonly method: string;
  /** Takes as long as its client wants; how long says nothing about the server. */
  readonly isStream: boolean;
}

/** What is only asked for when somebody wants to know. */
export interface CallFacts {
  /** `host:port` of the other end. */
  peer(): string;
  /** A header by its lower-case name. */
  header(name: string): string | undefined;
}

/** A call that runs. */
export interface ObservedCall {
  readonly span: Span | undefined;
  /** Messages of a stream, or bodies. */
  received(bytes: number): void;
  sent(bytes: number): void;
  /** Once. `code` is the wire's word: `OK`, `NOT_FOUND`; of HTTP the status, `404`. */
  end(code: string, error?: string): void;
}

/** Hears of every call that a server answers, on whatever wire. */
export interface CallObserver extends Observer {
  begin(kind: CallKind, facts: CallFacts): ObservedCall;
}

const unobservedCall: ObservedCall = {
  span: undefined,
  received: () => undefined,
  sent: () => undefined,
  end: () => undefined,
};

export const silentCallObserver: CallObserver = { ...silentObserver, begin: () => unobservedCall };
