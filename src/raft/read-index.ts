import type { ReplicaId } from "./entry.ts";
import type { Membership } from "./membership.ts";
import { jointCommitted } from "./quorum.ts";

export interface ReadRequest {
  readonly readId: number;
  readonly from: ReplicaId;
}

export interface ConfirmedRead extends ReadRequest {
  readonly index: number;
}

/**
 * Reads that wait for proof that their leader still leads (thesis 6.4).
 *
 * Reads are numbered in order of arrival within one leadership. A *round* is a broadcast of
 * heartbeats that carries the number of the last read that had arrived when it left: whoever answers
 * confirms all reads up to it, so that one round serves many reads, and an answer to an older round
 * never confirms a younger read. Numbers are the leader's own: a request repeated by its sender is
 * another read.
 */
export class ReadIndexQueue {
  #waiting: ConfirmedRead[] = [];
  #confirmed = 0;
  /** The last round that was sent. */
  #round = 0;
  readonly #acknowledged = new Map<ReplicaId, number>();
  /** Arrived before the leader had committed anything in its term; their index is not known yet. */
  #early: ReadRequest[] = [];

  get count(): number {
    return this.#waiting.length + this.#early.length;
  }

  addEarly(request: ReadRequest): void {
    this.#early.push(request);
  }

  takeEarly(): readonly ReadRequest[] {
    const early = this.#early;
    this.#early = [];
    return early;
  }

  add(request: ReadRequest, commitIndex: number): void {
    this.#waiting.push({ ...request, index: commitIndex });
  }

  /** Whether a round must begin: somebody waits, and no round is on its way that might serve another. */
  get wantsRound(): boolean {
    return this.#waiting.length > 0 && this.#round <= this.#confirmed;
  }

  /** Begins a round for all that wait: the number for heartbeats, 0 when nobody waits. */
  beginRound(): number {
    if (this.#waiting.length === 0) return 0;
    this.#round = this.#confirmed + this.#waiting.length;
    return this.#round;
  }

  acknowledge(from: ReplicaId, round: number): void {
    if (round > this.#round) return;
    this.#acknowledged.set(from, Math.max(this.#acknowledged.get(from) ?? 0, round));
  }

  /** Reads that a quorum of the present configuration has confirmed, the leader `self` included. */
  takeConfirmed(membership: Membership, self: ReplicaId): readonly ConfirmedRead[] {
    const quorum = jointCommitted(membership.incoming, membership.outgoing, (id) =>
      id === self ? this.#round : this.#acknowledged.get(id),
    );
    const count = Math.min(quorum, this.#round) - this.#confirmed;
    if (count <= 0) return [];
    const confirmed = this.#waiting.splice(0, count);
    this.#confirmed += count;
    return confirmed;
  }
}
