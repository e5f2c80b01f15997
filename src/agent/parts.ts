/** What was started and has to be stopped: in the order of the start, and in reverse. */
export class Parts implements AsyncDisposable {
  readonly #stops: (() => Promise<void>)[] = [];
  #stopping: Promise<void> | undefined;

  /** A part runs now, and stops like this. */
  started(stop: () => Promise<void>): void {
    this.#stops.push(stop);
  }

  /** Stops every part, also when one of them fails to stop; rejects with the first failure. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #stop(): Promise<void> {
    const failures: unknown[] = [];
    for (const stop of this.#stops.toReversed()) {
      await stop().catch((failure: unknown) => failures.push(failure));
    }
    if (failures.length > 0) throw failures[0];
  }
}
