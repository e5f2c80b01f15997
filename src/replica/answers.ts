import { Deque } from "../base/index.ts";
import type { ProglogError } from "../base/index.ts";

import type { Proposal, ProposalQueue } from "./proposals.ts";

/**
 * Decided proposals whose outcome may not be told yet: an append waits until its entry is committed,
 * a refusal until the entries that it was decided by are.
 */
export class Answers {
  readonly #queue: ProposalQueue;
  readonly #waiting = new Deque<Proposal>();

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
