import type { GossipEvent } from "../gossip/index.ts";

export type QueryAnswer =
  | { readonly kind: "ack"; readonly from: string }
  | { readonly kind: "response"; readonly from: string; readonly payload: Uint8Array };

type QueryEvent = Extract<GossipEvent, { kind: "query-ack" | "query-response" | "query-done" }>;

/** Answers that wait for their reader. A query has at most two from each member, so they are bounded. */
class Answers {
  waiting: QueryAnswer[] = [];
  isDone = false;
  wake: (() => void) | undefined;

  add(answer: QueryAnswer): void {
    this.waiting.push(answer);
    this.wake?.();
  }

  end(): void {
    this.isDone = true;
    this.wake?.();
  }
}

/** Our own queries under way, by the core's number for each. */
export class RunningQueries {
  readonly #running = new Map<number, Answers>();
  /** Answers that came within the call that begins a query, before its number is known. */
  #early: QueryEvent[] | undefined;

  /** Begins at once; the answers wait until they are read. */
  run(begin: () => number, signal?: AbortSignal): AsyncIterable<QueryAnswer> {
    const early: QueryEvent[] = (this.#early = []);
    try {
      const query = begin();
      const answers = new Answers();
      this.#running.set(query, answers);
      for (const event of early) this.take(event);
      return this.#read(query, answers, signal);
    } finally {
      this.#early = undefined;
    }
  }

  take(event: QueryEvent): void {
    const answers = this.#running.get(event.query);
    if (answers === undefined) {
      this.#early?.push(event);
      return;
    }
    const { from } = event.kind === "query-done" ? { from: "" } : event;
    if (event.kind === "query-ack") answers.add({ kind: "ack", from });
    else if (event.kind === "query-response") {
      answers.add({ kind: "response", from, payload: event.payload });
    } else {
      answers.end();
      this.#running.delete(event.query);
    }
  }

  close(): void {
    for (const answers of this.#running.values()) answers.end();
    this.#running.clear();
  }

  async *#read(
    query: number,
    answers: Answers,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<QueryAnswer, void, undefined> {
    const wake = (): void => answers.wake?.();
    signal?.addEventListener("abort", wake);
    try {
      while (signal?.aborted !== true) {
        yield* answers.waiting.splice(0);
        if (answers.isDone && answers.waiting.length === 0) return;
        if (answers.waiting.length > 0) continue;
        await new Promise<void>((resolve) => (answers.wake = resolve));
      }
    } finally {
      signal?.removeEventListener("abort", wake);
      this.#running.delete(query);
    }
  }
}
