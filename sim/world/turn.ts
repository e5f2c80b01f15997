/** After so many events the event loop itself has its turn. */
const EVENTS_PER_LOOP = 128;

/**
 * What Node runs after each callback: all promises, whatever they start, until there are none; then it
 * tells of rejections that nobody awaits. To call it costs a tenth of awaiting a promise of its own after
 * every event. It is not documented: a Node without it has a turn of the event loop instead.
 */
const settle = (process as { readonly _tickCallback?: () => void })._tickCallback;

/**
 * Lets everything that waits for nothing but its turn have it, after every event. The event loop itself
 * has its turn after every event when `isStrict`, and else after some.
 */
export class Turn {
  readonly #isStrict: boolean;
  #events = 0;

  constructor(isStrict: boolean) {
    this.#isStrict = isStrict || settle === undefined;
  }

  /**
   * Makes one event happen after the other, as long as `next` says that there was one, and has `look` see
   * what came of each. Rejects with what either throws.
   */
  run(next: () => boolean, look: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const goOn = (): void => {
        try {
          for (;;) {
            look();
            if (!next()) break;
            this.#events += 1;
            if (this.#isStrict || this.#events % EVENTS_PER_LOOP === 0) {
              setImmediate(goOn);
              return;
            }
            settle?.();
          }
          resolve();
        } catch (caught) {
          const error: Error = caught as Error;
          reject(error);
        }
      };
      // Among promises, where this may have been called, none can be settled.
      if (next()) setImmediate(goOn);
      else resolve();
    });
  }

  loop(): Promise<void> {
    return new Promise((resolve) => void setImmediate(resolve));
  }
}
