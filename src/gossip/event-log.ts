import { equalBytes, limits } from "../base/index.ts";
import type { Context } from "./context.ts";
import { LamportClock } from "./lamport.ts";
import type { EventSlot, UserEvent } from "./message.ts";

/** What of an event or a query has been seen, by Lamport time: a ring that forgets the oldest. */
export class SeenTimes<T> {
  readonly clock: LamportClock;
  readonly #slots: ({ time: number; readonly items: T[] } | undefined)[] = [];

  constructor(time = 1) {
    this.clock = new LamportClock(time);
  }

  isTooOld(time: number): boolean {
    return time + limits.gossipEventTimes < this.clock.time;
  }

  /** What was seen at this time; the caller adds to it. */
  at(time: number): T[] {
    const index = time % limits.gossipEventTimes;
    const slot = this.#slots[index];
    if (slot?.time === time) return slot.items;
    const items: T[] = [];
    this.#slots[index] = { time, items };
    return items;
  }

  /** By time. */
  all(): { readonly time: number; readonly items: readonly T[] }[] {
    return this.#slots.filter((slot) => slot !== undefined).toSorted((a, b) => a.time - b.time);
  }
}

function eventBytes({ name, payload }: Pick<UserEvent, "name" | "payload">): number {
  return name.length + payload.length;
}

/** User events: each is delivered once, whatever way and however often it comes. */
export class EventLog {
  readonly #context: Context;
  readonly #seen: SeenTimes<{ readonly name: string; readonly payload: Uint8Array }>;
  /** Older ones are not delivered: they are from before our join. */
  #timeMin = 0;

  constructor(context: Context, time: number) {
    this.#context = context;
    this.#seen = new SeenTimes(time);
    this.#timeMin = time > 1 ? time : 0;
  }

  get clock(): LamportClock {
    return this.#seen.clock;
  }

  ignoreBefore(time: number): void {
    this.#timeMin = Math.max(this.#timeMin, time);
  }

  /** True: it was news, and is to be told to others. */
  take(event: UserEvent): boolean {
    const { outbox } = this.#context;
    this.clock.witness(event.time);
    if (event.time < this.#timeMin) return false;
    if (this.#seen.isTooOld(event.time)) {
      outbox.count("event_too_old");
      return false;
    }
    const seen = this.#seen.at(event.time);
    const { name, payload } = event;
    if (seen.some((each) => each.name === name && equalBytes(each.payload, payload))) return false;
    const bytes = seen.reduce((sum, each) => sum + eventBytes(each), eventBytes(event));
    const isTooLarge = bytes > limits.gossipEventBytesPerTimeMax;
    if (seen.length >= limits.gossipEventsPerTimeMax || isTooLarge) {
      outbox.count("event_limit");
      return false;
    }
    seen.push({ name, payload });
    outbox.event({ kind: "user", event });
    return true;
  }

  slots(): EventSlot[] {
    return this.#seen.all().map(({ time, items }) => ({ time, events: items }));
  }
}
