import { assert, Deque } from "../base/index.ts";
import type { ProglogError } from "../base/index.ts";

import type { Proposal, ProposalQueue } from "./proposals.ts";

/** The log as far as it is committed here. */
export interface Committed {
  readonly commitIndex: number;
  /** The term of the entry at an index; undefined where the log has none, or none any more. */
  readonly termAt: (index: number) => number | undefined;
}

/**
 * Decided proposals whose outcome may not be told yet: an append waits until its entry is committed,
 * a refusal until the entries that it was decided by are.
 *
 * When leadership ends, what waits is *held*: the next leader may commit it all the same. As soon as
 * an entry of a later term is committed here, the outcome is known: an entry of an earlier term is
 * then in this log below it, or in no log that can ever be committed, because terms never decrease
 * along a log and whoever leads has all that is committed (Raft, sections 5.3 and 5.4).
 */
export class Answers {
  readonly #queue: ProposalQueue;
  readonly #waiting = new Deque<Proposal>();
  /** So many at the front were decided under a leadership that has ended. */
  #heldCount = 0;

  constructor(queue: ProposalQueue) {
    this.#queue = queue;
  }

  [Symbol.iterator](): Iterator<Proposal> {
    return this.#waiting[Symbol.iterator]();
  }

  add(proposal: Proposal): void {
    this.#waiting.push(proposal);
  }

  /** Tells the outcome without waiting. */
  tell(proposal: Proposal): void {
    this.#queue.answered(proposal);
    proposal.settle();
  }

  get heldCount(): number {
    return this.#heldCount;
  }

  /** Leadership has ended. What would follow on the same stream is refused from now on. */
  hold(refused: ProglogError): void {
    this.#heldCount = this.#waiting.length;
    for (const { stream } of this.#waiting) if (stream !== undefined) stream.failed ??= refused;
  }

  /** Tells what is known of those held; `lost` is for those of which the log does not tell any more. */
  resolveHeld(committed: Committed, refused: ProglogError, lost: ProglogError): void {
    while (this.#heldCount > 0) {
      const head = this.#waiting.peek();
      assert(head !== undefined, "what is held waits");
      const outcome = outcomeOf(head, committed);
      if (outcome === "open") return;
      this.#heldCount--;
      this.#waiting.shift();
      if (outcome === "committed") {
        this.tell(head);
      } else {
        this.#queue.answered(head);
        head.fail(outcome === "dead" ? refused : lost);
      }
    }
  }

  /** Nothing was heard of those held. */
  failHeld(lost: ProglogError): void {
    for (; this.#heldCount > 0; this.#heldCount--) {
      const head = this.#waiting.shift();
      assert(head !== undefined, "what is held waits");
      this.#queue.answered(head);
      head.fail(lost);
    }
  }

  /**
   * Tells what waited for entries up to `index`, in the order of decisions. Almost always the order
   * of indexes too; only a repetition waits for less than those decided before it, and for them.
   */
  commit(index: number): void {
    for (let head = this.#waiting.peek(); head !== undefined; head = this.#waiting.peek()) {
      if (head.waitIndex > index) return;
      this.#waiting.shift();
      this.tell(head);
    }
  }

  /**
   * Entries above `committedIndex` will not be committed here. Appends get `error`; a refusal put
   * nothing into the log, so its caller gets `refused`.
   */
  fail(committedIndex: number, error: ProglogError, refused: ProglogError): void {
    this.#heldCount = 0;
    for (let head = this.#waiting.shift(); head !== undefined; head = this.#waiting.shift()) {
      if (head.waitIndex <= committedIndex) {
        this.tell(head);
        continue;
      }
      this.#queue.answered(head);
      head.fail(head.refusal === undefined ? error : refused);
    }
  }
}

/** What became of an append of an earlier leadership, as far as the committed log tells. */
function outcomeOf(
  { answer, waitIndex }: Proposal,
  { commitIndex, termAt }: Committed,
): "committed" | "dead" | "open" | "gone" {
  // A refusal put nothing into the log.
  if (answer === undefined) return "dead";
  if (waitIndex <= commitIndex) {
    const term = termAt(waitIndex);
    if (term === undefined) return "gone";
    return term === answer.term ? "committed" : "dead";
  }
  return (termAt(commitIndex) ?? 0) > answer.term ? "dead" : "open";
}
