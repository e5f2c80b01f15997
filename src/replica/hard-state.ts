import type { Configuration } from "../base/index.ts";
import type { HardState, Log } from "../log/index.ts";

type Kept = Omit<HardState, "installing">;

/**
 * `raft.state` has two writers, the one who votes and the one who applies configurations. Each change
 * here is laid over the last one asked for, so that neither writes back what the other has changed.
 */
export class HardStateKeeper {
  readonly #log: Pick<Log, "hardState" | "saveHardState">;
  #wanted: Kept;
  #last: Promise<void> = Promise.resolve();

  constructor(log: Pick<Log, "hardState" | "saveHardState">) {
    this.#log = log;
    this.#wanted = log.hardState;
  }

  /** As it will be when every save is done. */
  get wanted(): Kept {
    return this.#wanted;
  }

  /** Resolves once the change is durable, and with it those before. */
  save(change: Partial<Kept>): Promise<void> {
    this.#wanted = { ...this.#wanted, ...change };
    this.#last = this.#log.saveHardState(this.#wanted);
    return this.#last;
  }

  saveConfiguration(configurationIndex: number, configuration: Configuration): Promise<void> {
    return this.save({ configurationIndex, configuration });
  }

  /** After the log was replaced by a marker, which has written the state by itself. */
  reload(): void {
    this.#wanted = this.#log.hardState;
  }

  /** When nothing is being saved any more. */
  async idle(): Promise<void> {
    await this.#last.catch(() => undefined);
  }
}
