import { limits, ProglogError } from "../base/index.ts";
import type { AppendOptions, Clock, ConfigurationMember } from "../base/index.ts";

/** Who leads, as far as it is known here, and word of its changes: `Replica` is one. */
export interface LeaderView {
  readonly decides: boolean;
  readonly leader: ConfigurationMember | undefined;
  /** Calls back when who leads has changed, among other things. */
  onChange(listener: () => void): () => void;
}

type Moved = (hasMoved: boolean) => void;

/**
 * Keeps appends that meet an election until it is over, for a short while, instead of sending their
 * callers away to ask again and again. Only what certainly was not appended is tried again, and nothing
 * of a stream: what came behind it on the stream has been refused by then.
 */
export class LeaderWait {
  readonly #view: LeaderView;
  readonly #clock: Clock;
  /** Rises with each change that was told. */
  #changes = 0;
  readonly #waiting = new Set<Moved>();

  /** Listens as long as the view tells. */
  constructor(view: LeaderView, clock: Clock) {
    this.#view = view;
    this.#clock = clock;
    view.onChange(() => {
      this.#changes += 1;
      if (!this.#knowsLeader()) return;
      for (const resolve of [...this.#waiting]) resolve(true);
    });
  }

  /** Resolves or rejects as the attempt does, or as the last one does. */
  run<T>(attempt: () => Promise<T>, options: AppendOptions): Promise<T> {
    const seen = this.#changes;
    return attempt().catch((error: unknown) => this.#again(error, seen, attempt, options));
  }

  async #again<T>(
    caught: unknown,
    seenFirst: number,
    attempt: () => Promise<T>,
    { signal, stream }: AppendOptions,
  ): Promise<T> {
    const endMs = this.#clock.monotonic() + limits.leaderWaitMs;
    let [error, seen] = [caught, seenFirst];
    for (;;) {
      if (!isElsewhere(error) || stream !== undefined) throw error;
      const leftMs = endMs - this.#clock.monotonic();
      if (leftMs <= 0 || !(await this.#moved(seen, leftMs, signal))) throw error;
      seen = this.#changes;
      try {
        return await attempt();
      } catch (again) {
        error = again;
      }
    }
  }

  /** Whether there is a leader that was not there, or not known, when `seen` was the number of changes. */
  #moved(seen: number, ms: number, signal: AbortSignal | undefined): Promise<boolean> {
    if (this.#changes !== seen && this.#knowsLeader()) return Promise.resolve(true);
    if (signal?.aborted === true || this.#waiting.size >= limits.proposalsMax) {
      return Promise.resolve(false);
    }
    return new Promise((resolve) => {
      const end: Moved = (hasMoved) => {
        cancel();
        signal?.removeEventListener("abort", giveUp);
        this.#waiting.delete(end);
        resolve(hasMoved);
      };
      const giveUp = (): void => end(false);
      const cancel = this.#clock.after(ms, giveUp);
      signal?.addEventListener("abort", giveUp);
      this.#waiting.add(end);
    });
  }

  #knowsLeader(): boolean {
    return this.#view.decides || this.#view.leader !== undefined;
  }
}

/** It was decided elsewhere, or nowhere: here nothing was appended. */
function isElsewhere(error: unknown): boolean {
  return error instanceof ProglogError && error.code === "NOT_LEADER" && error.notAppended;
}
