import { limits, membersOf, ProglogError, systemClock } from "../base/index.ts";
import type { Clock } from "../base/index.ts";
import type { Replica } from "../replica/index.ts";

/**
 * Whether this server stands where it may be given work: it takes part, knows who leads, and has what
 * was committed when that began. Whoever loses sight of the leader has to catch up once more.
 */
export class Standing {
  readonly #replica: Replica;
  readonly #replicaId: number;
  readonly #clock: Clock;
  readonly #ended = new AbortController();
  readonly #unsubscribe: () => void;
  readonly #onChange: (reason: string | undefined) => void;
  #isCaughtUp = false;
  #isCatchingUp = false;
  #cancelTimer: (() => void) | undefined;

  /** `onChange` is told why not, or undefined; at once, and after each change. */
  constructor(
    replica: Replica,
    replicaId: number,
    onChange: (reason: string | undefined) => void,
    clock: Clock = systemClock,
  ) {
    this.#replica = replica;
    this.#replicaId = replicaId;
    this.#onChange = onChange;
    this.#clock = clock;
    this.#unsubscribe = replica.onChange(() => this.#look());
    this.#look();
  }

  close(): void {
    this.#ended.abort();
    this.#cancelTimer?.();
    this.#unsubscribe();
  }

  #look(): void {
    if (this.#ended.signal.aborted) return;
    const { configuration, leader } = this.#replica.status;
    const members = membersOf(configuration);
    const takesPart = members.some(({ replicaId }) => replicaId === this.#replicaId);
    if (!takesPart || leader === 0) this.#isCaughtUp = false;
    if (takesPart && members.length === 1) this.#onChange(undefined);
    else if (!takesPart) this.#onChange("it waits to be taken into a cluster");
    else if (leader === 0) this.#onChange("no leader is known");
    else if (this.#isCaughtUp) this.#onChange(undefined);
    else {
      this.#onChange("it catches up with the leader");
      void this.#catchUp();
    }
  }

  /** What a read that must be fresh waits for is what a server lacks that is behind. */
  async #catchUp(): Promise<void> {
    if (this.#isCatchingUp) return;
    this.#isCatchingUp = true;
    try {
      await this.#replica.readBarrier(this.#ended.signal);
      this.#isCaughtUp = true;
    } catch (error) {
      if (!(error instanceof ProglogError)) throw error;
      if (this.#ended.signal.aborted) return;
      this.#cancelTimer = this.#clock.after(limits.standingRetryMs, () => this.#look());
    } finally {
      this.#isCatchingUp = false;
    }
    if (this.#isCaughtUp) this.#look();
  }
}
