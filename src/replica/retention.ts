import { limits, ProglogError } from "../base/index.ts";
import type { Clock, Observer } from "../base/index.ts";
import type { LogStart } from "../log/index.ts";
import type { AppendLoop } from "./append-loop.ts";
import type { ReplicaLog } from "./replica-log.ts";

/** How much of the log is kept; 0 means everything. */
export interface RetentionRule {
  readonly retentionBytes: number;
  readonly retentionMs: number;
}

export interface RetentionParts {
  readonly log: ReplicaLog;
  readonly loop: AppendLoop;
  /** Goes on removing what an earlier log start could not remove in one pass. */
  readonly trimMore: () => void;
  readonly clock: Clock;
  readonly observer: Observer;
}

/**
 * Decides where the log begins. Every decision is an entry of the log, so that all replicas begin at
 * the same place; the loop carries it out once it is committed.
 */
export class Retention {
  readonly #log: ReplicaLog;
  readonly #loop: AppendLoop;
  readonly #trimMore: () => void;
  readonly #clock: Clock;
  readonly #observer: Observer;
  #cancel: (() => void) | undefined;

  constructor(parts: RetentionParts) {
    this.#log = parts.log;
    this.#loop = parts.loop;
    this.#trimMore = parts.trimMore;
    this.#clock = parts.clock;
    this.#observer = parts.observer;
  }

  /** Looks from now on, every `retentionIntervalMs`, whether the rule lets something go. */
  start(): void {
    this.#cancel = this.#clock.after(limits.retentionIntervalMs, () => void this.#pass());
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** Changes the rule; nothing is appended when it is the present one. */
  async set(rule: RetentionRule): Promise<void> {
    const { retentionBytes, retentionMs } = rule;
    const present = this.#log.control.logStart;
    if (present.retentionBytes === retentionBytes && present.retentionMs === retentionMs) return;
    const plan = (): LogStart => ({
      ...this.#log.control.logStart,
      retentionBytes,
      retentionMs,
    });
    await this.#loop.propose({ kind: "logStart", plan }, {});
  }

  /** Lets go of every record below `offset`, which is committed. */
  async deleteBefore(offset: number): Promise<void> {
    const plan = (): LogStart => {
      const present = this.#log.control.logStart;
      return offset > present.offset ? this.#log.logStartAt(offset) : present;
    };
    if (plan() === this.#log.control.logStart) return;
    await this.#loop.propose({ kind: "logStart", plan }, {});
  }

  async #pass(): Promise<void> {
    const planned = (): LogStart | undefined => this.#log.planRetention(this.#clock.now());
    const plan = (): LogStart => planned() ?? this.#log.control.logStart;
    try {
      if (!this.#loop.isLeading || planned() === undefined) this.#trimMore();
      else await this.#loop.propose({ kind: "logStart", plan }, {});
    } catch (error) {
      if (!(error instanceof ProglogError)) throw error;
      this.#observer.log("warn", "replica.retention-failed", { code: error.code });
    }
    if (this.#cancel !== undefined) this.start();
  }
}
