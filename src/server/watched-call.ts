import type {
  Metadata,
  ServerInterceptingCall,
  ServerInterceptingCallInterface,
  ServerInterceptor,
} from "@grpc/grpc-js";
import { statusName } from "../api/index.ts";
import type { CallFacts, CallKind, CallObserver, ObservedCall, Span } from "../base/index.ts";

type Next = ServerInterceptingCallInterface;
type Listener = Parameters<Next["start"]>[0];
type Status = Parameters<Next["sendStatus"]>[0];
type Message = Parameters<Next["sendMessage"]>[0];

/** A sampled call's handler finds its span by the headers, which is all that it shares with us. */
const spans = new WeakMap<Metadata, Span>();

/** The span of a call, when it is traced. */
export function spanOf(call: { readonly metadata: Metadata }): Span | undefined {
  return spans.get(call.metadata);
}

/**
 * Tells an observer of one call: of its beginning, its messages, and its end, whoever ends it. One
 * object stands on both sides of the call, because it is made for every call.
 */
class WatchedCall implements Next, Listener, CallFacts {
  readonly #next: Next;
  readonly #observer: CallObserver;
  readonly #kind: CallKind;
  #listener: Listener | undefined;
  #metadata: Metadata | undefined;
  #observed: ObservedCall | undefined;
  #ended = false;

  constructor(next: Next, observer: CallObserver, kind: CallKind) {
    this.#next = next;
    this.#observer = observer;
    this.#kind = kind;
  }

  peer(): string {
    return this.#next.getPeer();
  }

  header(name: string): string | undefined {
    const [value] = this.#metadata?.get(name) ?? [];
    return typeof value === "string" ? value : undefined;
  }

  // From the client.

  start(listener: Listener): void {
    this.#listener = listener;
    this.#next.start(this);
  }

  onReceiveMetadata(metadata: Metadata): void {
    this.#metadata = metadata;
    const observed = this.#begun();
    if (observed.span !== undefined) spans.set(metadata, observed.span);
    this.#listener?.onReceiveMetadata(metadata);
  }

  onReceiveMessage(message: Message): void {
    this.#begun().received(lengthOf(message));
    this.#listener?.onReceiveMessage(message);
  }

  onReceiveHalfClose(): void {
    this.#listener?.onReceiveHalfClose();
  }

  onCancel(): void {
    // The library says so of every call whose stream is gone, also of those that were answered.
    if (!this.#ended) {
      const deadline = Number(this.#next.getDeadline());
      this.#end(deadline <= Date.now() ? "DEADLINE_EXCEEDED" : "CANCELLED");
    }
    this.#listener?.onCancel();
  }

  // To the client.

  sendMetadata(metadata: Metadata): void {
    this.#next.sendMetadata(metadata);
  }

  sendMessage(message: Message, callback: () => void): void {
    this.#begun().sent(lengthOf(message));
    this.#next.sendMessage(message, callback);
  }

  sendStatus(status: Status): void {
    const name = statusName(status.code);
    this.#end(name, name === "OK" ? undefined : status.details);
    this.#next.sendStatus(status);
  }

  startRead(): void {
    this.#next.startRead();
  }

  getPeer(): string {
    return this.#next.getPeer();
  }

  getDeadline(): ReturnType<Next["getDeadline"]> {
    return this.#next.getDeadline();
  }

  getHost(): string {
    return this.#next.getHost();
  }

  getAuthContext(): ReturnType<Next["getAuthContext"]> {
    return this.#next.getAuthContext();
  }

  getConnectionInfo(): ReturnType<Next["getConnectionInfo"]> {
    return this.#next.getConnectionInfo();
  }

  getMetricsRecorder(): ReturnType<Next["getMetricsRecorder"]> {
    return this.#next.getMetricsRecorder();
  }

  #begun(): ObservedCall {
    return (this.#observed ??= this.#observer.begin(this.#kind, this));
  }

  #end(code: string, error?: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#begun().end(code, error);
  }
}

/** Of messages that are not bytes (health, reflection) nobody asks how long they are. */
function lengthOf(message: unknown): number {
  return Buffer.isBuffer(message) ? message.length : 0;
}

/** Tells of every call of every service. The first interceptor, so that it sees what others refuse. */
export function watching(observer: CallObserver): ServerInterceptor {
  // As many as there are methods: a call of an unknown one does not come here.
  const kinds = new Map<string, CallKind>();
  return (method, call) => {
    let kind = kinds.get(method.path);
    if (kind === undefined) {
      const [, service = "", name = ""] = method.path.split("/");
      const isStream = method.requestStream || method.responseStream;
      kind = { system: "grpc", service, method: name, isStream };
      kinds.set(method.path, kind);
    }
    return new WatchedCall(call, observer, kind) as unknown as ServerInterceptingCall;
  };
}
