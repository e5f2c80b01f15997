import { assert } from "../base/index.ts";
import { Inflights } from "./inflights.ts";

/**
 * - `probe`: where the follower's log fits is not known; one append, then wait for the answer.
 * - `replicate`: it fits; appends follow each other without waiting, within the window.
 * - `snapshot`: what it needs next is gone here; nothing is sent until the snapshot has arrived.
 */
export type ProgressState = "probe" | "replicate" | "snapshot";

export interface ProgressLimits {
  readonly inflightMessagesMax: number;
  readonly inflightBytesMax: number;
}

/**
 * What a leader knows of one follower (paper figure 2: nextIndex and matchIndex).
 *
 * Invariants: `match < next`; `match` only grows, but for damage; in `snapshot`, `next` is one past
 * `pendingSnapshot`. All changes of state are made here.
 */
export class Progress {
  match = 0;
  next: number;
  state: ProgressState = "probe";
  /** In `snapshot`: the index of the snapshot that is on its way; otherwise 0. */
  pendingSnapshot = 0;
  /** Heard from since the last check of the quorum. */
  recentActive = false;
  /** One message is unanswered in `probe`, or the window is full in `replicate`. */
  flowPaused = false;
  readonly inflights: Inflights;
  /** Above 0: the follower may have lost what it acknowledged, and does not count. */
  damageId = 0;
  /** The entry that, once committed without the follower and matched by it, cures the damage. */
  repairIndex = 0;
  /** The highest commit index that was sent to it. */
  #sentCommit = 0;

  constructor(next: number, limits: ProgressLimits) {
    this.next = next;
    this.inflights = new Inflights(limits.inflightMessagesMax, limits.inflightBytesMax);
  }

  /** What counts for the quorum. */
  get acknowledged(): number {
    return this.damageId > 0 ? 0 : this.match;
  }

  get paused(): boolean {
    return this.state === "snapshot" || this.flowPaused;
  }

  becomeProbe(): void {
    const next = Math.max(this.match, this.pendingSnapshot) + 1;
    this.#enter("probe");
    this.next = next;
    this.#sentCommit = Math.min(this.#sentCommit, next - 1);
  }

  becomeReplicate(): void {
    this.#enter("replicate");
    this.next = this.match + 1;
  }

  becomeSnapshot(index: number): void {
    this.#enter("snapshot");
    this.pendingSnapshot = index;
    this.next = index + 1;
    this.#sentCommit = index;
  }

  /** Nothing that it acknowledged counts any more (contracts: a damaged replica). */
  becomeDamaged(damageId: number, repairIndex: number): void {
    this.match = 0;
    this.damageId = damageId;
    this.repairIndex = repairIndex;
    this.#enter("probe");
    this.next = repairIndex;
    this.#sentCommit = 0;
  }

  becomeWhole(): void {
    this.damageId = 0;
    this.repairIndex = 0;
  }

  #enter(state: ProgressState): void {
    this.flowPaused = false;
    this.pendingSnapshot = 0;
    this.state = state;
    this.inflights.reset();
  }

  /** An append with so many entries has left. */
  sentEntries(count: number, bytes: number): void {
    assert(this.state !== "snapshot", "no appends while a snapshot is on its way");
    if (this.state === "replicate") {
      if (count > 0) {
        this.next += count;
        this.inflights.add(this.next - 1, bytes);
      }
      this.flowPaused = this.inflights.full;
    } else if (count > 0) {
      this.flowPaused = true;
    }
  }

  sentCommit(commit: number): void {
    this.#sentCommit = commit;
  }

  /** Whether an append now would tell the follower of a commit that it can use. */
  canBumpCommit(commit: number): boolean {
    return commit > this.#sentCommit && this.#sentCommit < this.next - 1;
  }

  /** The follower matches through `index`; false when that is no news. */
  maybeUpdate(index: number): boolean {
    if (index <= this.match) return false;
    this.match = index;
    this.next = Math.max(this.next, index + 1);
    this.flowPaused = false;
    return true;
  }

  /**
   * The follower refused an append after `rejected`; it may match at `hint`. False when that answer
   * is old: `match` is never taken back, and `next` never below it.
   */
  maybeDecrease(rejected: number, hint: number): boolean {
    if (this.state === "replicate") {
      if (rejected <= this.match) return false;
      this.next = this.match + 1;
    } else {
      if (this.next - 1 !== rejected) return false;
      this.next = Math.max(Math.min(rejected, hint + 1), this.match + 1);
      this.flowPaused = false;
    }
    this.#sentCommit = Math.min(this.#sentCommit, this.next - 1);
    return true;
  }
}
