import { limits } from "../base/index.ts";
import type { IncomingQuery, Member } from "../gossip/index.ts";

export type MembershipEvent =
  | { readonly kind: "join" | "leave" | "failed" | "update" | "reap"; readonly member: Member }
  | {
      readonly kind: "user";
      readonly name: string;
      readonly payload: Uint8Array;
      /** Lamport time. */
      readonly time: number;
      readonly coalesce: boolean;
    }
  /** Somebody asks; `membership.respond(query, payload)` answers. */
  | { readonly kind: "query"; readonly query: IncomingQuery }
  /** So many events were lost because their reader was slow; `members()` has the present. */
  | { readonly kind: "lost"; readonly count: number };

/** Whoever is told of events, each as it comes. Must not throw. */
export type Listener = (event: MembershipEvent) => void;

/** Hands events to all who listen. */
export class EventHub {
  readonly #listeners = new Set<Listener>();
  readonly #readers = new Set<() => void>();
  #closed = false;

  emit(event: MembershipEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Events from now on, until it is closed, or the signal is aborted. */
  async *read(signal?: AbortSignal): AsyncGenerator<MembershipEvent, void, undefined> {
    const queue = new EventQueue();
    const unsubscribe = this.subscribe((event) => queue.push(event));
    const wake = (): void => queue.wake();
    this.#readers.add(wake);
    signal?.addEventListener("abort", wake);
    try {
      while (!this.#closed && signal?.aborted !== true) {
        yield* queue.take();
        await queue.filled();
      }
      yield* queue.take();
    } finally {
      unsubscribe();
      this.#readers.delete(wake);
      signal?.removeEventListener("abort", wake);
    }
  }

  close(): void {
    this.#closed = true;
    for (const wake of this.#readers) wake();
  }
}

/** Bounded: the oldest events make room, and their number is told in their place. */
class EventQueue {
  #events: MembershipEvent[] = [];
  #lost = 0;
  #wake: (() => void) | undefined;
  #woken = false;

  push(event: MembershipEvent): void {
    if (this.#events.length >= limits.membershipEventsMax) {
      // Half of them at once: shifting one by one would cost the square.
      const dropped = this.#events.splice(0, limits.membershipEventsMax / 2);
      this.#lost += dropped.length;
    }
    this.#events.push(event);
    this.wake();
  }

  take(): readonly MembershipEvent[] {
    const events = this.#events;
    const lost = this.#lost;
    this.#events = [];
    this.#lost = 0;
    return lost === 0 ? events : [{ kind: "lost", count: lost }, ...events];
  }

  wake(): void {
    this.#woken = true;
    this.#wake?.();
  }

  /** Resolves at the next event or call of `wake`, also one that was since the last time. */
  async filled(): Promise<void> {
    if (!this.#woken) await new Promise<void>((resolve) => (this.#wake = resolve));
    this.#wake = undefined;
    this.#woken = false;
  }
}
