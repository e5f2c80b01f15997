/** After so many events the event loop itself has its turn. */
const EVENTS_PER_LOOP = 128;

/**
 * Lets everything that waits for nothing but its turn have it: all promises, whatever they start, until
 * there are none. `process.nextTick` does that, in a tenth of the time of a turn of the event loop; but
 * a rejection that nobody awaits comes to light only there. So the loop has its turn after every event
 * when `isStrict`, and else after some.
 */
export class Turn {
  readonly #isStrict: boolean;
  #events = 0;

  constructor(isStrict: boolean) {
    this.#isStrict = isStrict;
  }

  end(): Promise<void> {
    this.#events += 1;
    if (this.#isStrict || this.#events % EVENTS_PER_LOOP === 0) return this.loop();
    return new Promise((resolve) => {
      process.nextTick(resolve);
    });
  }

  loop(): Promise<void> {
    return new Promise((resolve) => void setImmediate(resolve));
  }
}
