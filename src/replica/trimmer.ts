import type { Log, LogStart } from "../log/index.ts";

/**
 * Carries out log starts that are committed: one at a time, a few segments each, and never while the
 * log is being replaced.
 */
export class Trimmer {
  readonly #log: Pick<Log, "startAt">;
  readonly #onFailed: (error: unknown) => void;
  #wanted: LogStart | undefined;
  #last: LogStart | undefined;
  #segmentsLeft = 0;
  #running: Promise<void> | undefined;

  constructor(log: Pick<Log, "startAt">, onFailed: (error: unknown) => void) {
    this.#log = log;
    this.#onFailed = onFailed;
  }

  /** The log begins there from now on. */
  start(start: LogStart): void {
    this.#wanted = start;
    this.#running ??= this.#run();
  }

  /** Goes on removing what an earlier pass left. */
  more(): void {
    if (this.#segmentsLeft > 0 && this.#last !== undefined) this.start(this.#last);
  }

  /** When nothing is being removed any more; what was wanted by then is done. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    try {
      for (let next = this.#wanted; next !== undefined; next = this.#wanted) {
        this.#wanted = undefined;
        this.#last = next;
        this.#segmentsLeft = await this.#log.startAt(next);
      }
    } catch (error) {
      this.#onFailed(error);
    } finally {
      this.#running = undefined;
    }
  }
}
