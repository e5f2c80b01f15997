import { ProglogError } from "../base/index.ts";
import type { ReplicaLog } from "./replica-log.ts";

/**
 * Agreement with oneself: the only voter of a configuration leads as soon as its vote is durable, and
 * what its disk has is committed. The parts around it do not know that nobody else was asked.
 *
 * - A term is led once: every start raises it, except the first of an empty log.
 * - `committedIndex` and `committedOffset` never go back.
 */
export class SoleVoter {
  readonly #log: ReplicaLog;
  readonly #replicaId: number;
  #term = 0;
  #committedIndex: number;
  #committedOffset: number;

  constructor(log: ReplicaLog, replicaId: number) {
    this.#log = log;
    this.#replicaId = replicaId;
    // Whatever this disk kept can never be overruled, since nobody else may vote.
    this.#committedIndex = log.lastIndex;
    this.#committedOffset = log.nextOffset;
  }

  get term(): number {
    return this.#term;
  }

  get committedIndex(): number {
    return this.#committedIndex;
  }

  /** One past the last committed record. */
  get committedOffset(): number {
    return this.#committedOffset;
  }

  /** Votes for itself in a new term; durable when it resolves. */
  async campaign(): Promise<void> {
    const log = this.#log;
    const { voters, votersOutgoing } = log.control.configuration;
    const [voter, ...others] = [...voters, ...votersOutgoing];
    if (voter?.replicaId !== this.#replicaId || others.length > 0) {
      throw new ProglogError(
        "CONFIGURATION",
        `replica ${this.#replicaId} is not the only voter of the log in its directory`,
      );
    }
    const known = Math.max(log.hardState.term, log.lastTerm);
    const term = log.lastIndex === 0 ? Math.max(known, 1) : known + 1;
    await log.saveHardState({ ...log.hardState, term, vote: this.#replicaId });
    this.#term = term;
  }

  /** Makes everything appended so far durable, and so committed. The log's errors are thrown. */
  async persist(): Promise<void> {
    const { lastIndex, nextOffset } = this.#log;
    await this.#log.sync();
    this.#commit(lastIndex, nextOffset);
  }

  /** After the log took back what did not fit: what is left is durable. */
  tookBack(): void {
    this.#commit(this.#log.lastIndex, this.#log.nextOffset);
  }

  /** After the log has died: only what was durable before counts. */
  died(): void {
    this.#commit(this.#log.syncedIndex, this.#log.syncedOffset);
  }

  #commit(index: number, nextOffset: number): void {
    if (index <= this.#committedIndex) return;
    this.#committedIndex = index;
    this.#committedOffset = nextOffset;
    this.#log.setCommitIndex(index);
  }
}
