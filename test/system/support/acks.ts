const PATIENCE_MS = 60_000;

interface Waiting {
  readonly count: number;
  readonly resolve: () => void;
}

/** When acknowledgements came to one writer, or to all of them. */
export class Acks {
  lastMs: number = performance.now();
  #count = 0;
  #longestMs = 0;
  #waiting: Waiting[] = [];

  readonly take = (): void => {
    const nowMs = performance.now();
    this.#longestMs = Math.max(this.#longestMs, nowMs - this.lastMs);
    this.lastMs = nowMs;
    this.#count += 1;
    const due = this.#waiting.filter(({ count }) => count <= this.#count);
    if (due.length === 0) return;
    this.#waiting = this.#waiting.filter((waiting) => !due.includes(waiting));
    for (const { resolve } of due) resolve();
  };

  /** The longest time without one, from the last `restart` to the last that came. */
  get longestMs(): number {
    return this.#longestMs;
  }

  restart(): void {
    this.#longestMs = 0;
  }

  /** So many more have come; resolves with the time of the last. */
  async more(count: number): Promise<number> {
    const late = AbortSignal.timeout(PATIENCE_MS);
    await new Promise<void>((resolve, reject) => {
      this.#waiting.push({ count: this.#count + count, resolve });
      late.addEventListener("abort", () => reject(new Error("nothing is acknowledged any more")));
    });
    return this.lastMs;
  }
}
