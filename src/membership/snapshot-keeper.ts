import { limits } from "../base/index.ts";
import type { Clock, Observer } from "../base/index.ts";
import { writeSnapshot } from "./snapshot.ts";
import type { Snapshot, SnapshotStore } from "./snapshot.ts";

/** Writes a snapshot when it has changed: seldom, one after the other, and the last one before the end. */
export class SnapshotKeeper {
  readonly #store: SnapshotStore;
  readonly #clock: Clock;
  readonly #observer: Observer;
  readonly #take: () => Snapshot;
  #written = "";
  #writing: Promise<void> = Promise.resolve();
  #cancel: (() => void) | undefined;
  #hasFailed = false;

  constructor(store: SnapshotStore, clock: Clock, observer: Observer, take: () => Snapshot) {
    this.#store = store;
    this.#clock = clock;
    this.#observer = observer;
    this.#take = take;
  }

  /** Something changed. */
  touch(): void {
    this.#cancel ??= this.#clock.after(limits.snapshotIntervalMs, () => {
      this.#cancel = undefined;
      void this.#write();
    });
  }

  async close(): Promise<void> {
    this.#cancel?.();
    await this.#write();
  }

  #write(): Promise<void> {
    const text = writeSnapshot(this.#take());
    this.#writing = this.#writing.then(() => this.#writeNow(text));
    return this.#writing;
  }

  async #writeNow(text: string): Promise<void> {
    if (text === this.#written) return;
    try {
      await this.#store.write(text);
      this.#written = text;
      this.#hasFailed = false;
    } catch (error) {
      // Nothing depends on it but the comfort of the next start.
      if (!this.#hasFailed) {
        this.#observer.log("warn", "gossip.snapshot-failed", { error: String(error) });
      }
      this.#hasFailed = true;
    }
  }
}
