import { limits, membersOf, ProglogError, systemClock } from "../base/index.ts";
import type { Clock, ConfigurationMember, Observer } from "../base/index.ts";
import type { Replica } from "../replica/index.ts";
import type { MembersSeen } from "./ports.ts";

export interface AutopilotOptions {
  /** For so long nothing was heard of a server; 0: none is ever removed. */
  readonly removeAfterMs: number;
  /** So many voters stay, whatever becomes of them. */
  readonly votersMin: number;
}

export interface AutopilotParts extends AutopilotOptions {
  readonly replica: Pick<Replica, "replicaId" | "isLeading" | "status" | "members" | "onChange">;
  readonly membership: Pick<MembersSeen, "members">;
  readonly observer: Observer;
  readonly clock?: Clock | undefined;
}

/**
 * Removes servers that are gone for good from the cluster, where an operator wants that: each removal
 * lowers the majority, so that after a few of them a few servers could decide alone. Therefore:
 *
 * - only those of which this leader has heard nothing for long, counted from when it began to lead, and
 *   which gossip does not call alive either: a broken link is no reason;
 * - one at a time, and never below a count of voters that the operator has chosen;
 * - only while a majority of those who would be left is heard of now.
 */
export class Autopilot implements AsyncDisposable {
  readonly #parts: AutopilotParts;
  readonly #clock: Clock;
  readonly #unsubscribe: () => void;
  #leadsSince: number | undefined;
  #cancelTimer: (() => void) | undefined;
  #running: Promise<void> | undefined;
  #isClosed = false;

  constructor(parts: AutopilotParts) {
    this.#parts = parts;
    this.#clock = parts.clock ?? systemClock;
    this.#unsubscribe = parts.replica.onChange(() => this.#noteLeading());
    if (parts.removeAfterMs === 0) return;
    this.#noteLeading();
    this.#wait();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelTimer?.();
    this.#unsubscribe();
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #noteLeading(): void {
    if (!this.#parts.replica.isLeading) this.#leadsSince = undefined;
    else this.#leadsSince ??= this.#clock.monotonic();
  }

  #wait(): void {
    if (this.#isClosed) return;
    this.#cancelTimer = this.#clock.after(limits.autopilotIntervalMs, () => {
      this.#running = this.#look().finally(() => this.#wait());
    });
  }

  async #look(): Promise<void> {
    const { replica, observer, removeAfterMs } = this.#parts;
    this.#noteLeading();
    const gone = this.#goneForGood();
    if (gone === undefined) return;
    const { name, replicaId } = gone;
    const fields = { replica: name, replica_id: replicaId, silent_ms: removeAfterMs };
    try {
      await replica.members.remove(replicaId);
      observer.count("autopilot_removals_total");
      observer.log("warn", "autopilot.removed", fields);
    } catch (error) {
      if (!(error instanceof ProglogError)) throw error;
      observer.log("warn", "autopilot.not-removed", { ...fields, reason: error.message });
    }
  }

  #goneForGood(): ConfigurationMember | undefined {
    const { replica, removeAfterMs } = this.#parts;
    if (!replica.isLeading) return undefined;
    const { configuration } = replica.status;
    return membersOf(configuration).find(
      (member) =>
        member.replicaId !== replica.replicaId &&
        this.#silentMs(member) >= removeAfterMs &&
        !this.#isThere(member) &&
        this.#leavesEnough(member),
    );
  }

  /** A leader hears of everybody; before it was one it heard of nobody but the leader. */
  #silentMs({ replicaId }: ConfigurationMember): number {
    const now = this.#clock.monotonic();
    const leadsForMs = now - (this.#leadsSince ?? now);
    return Math.min(this.#parts.replica.members.silentMs(replicaId), leadsForMs);
  }

  #isThere({ name }: ConfigurationMember): boolean {
    const { membership } = this.#parts;
    return membership
      .members()
      .some((each) => each.name === name && (each.status === "alive" || each.status === "leaving"));
  }

  /** Nobody is counted twice while another change is under way: it is waited for. */
  #leavesEnough(gone: ConfigurationMember): boolean {
    const { replica, votersMin } = this.#parts;
    const { voters, votersOutgoing } = replica.status.configuration;
    if (votersOutgoing.length > 0) return false;
    const left = voters.filter(({ replicaId }) => replicaId !== gone.replicaId);
    // A learner counts in no majority.
    if (left.length === voters.length) return true;
    const heard = left.filter(
      ({ replicaId }) =>
        replicaId === replica.replicaId ||
        replica.members.silentMs(replicaId) < limits.promotedSilentMs,
    );
    return left.length >= votersMin && heard.length > left.length / 2;
  }
}
