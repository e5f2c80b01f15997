import type { ProglogError } from "../base/index.ts";
import type { Proposal, ProposalQueue } from "./proposals.ts";

interface Round {
  /** The round that confirms; undefined until it has begun. */
  readId: number | undefined;
  confirmed: boolean;
  readonly proposals: Proposal[];
}

/**
 * Refusals that speak of the log's content ("the next offset is 7"). They are told when two things
 * are known: what they were decided by is committed, and whoever decided was still the leader after
 * the request had come.
 */
export class Refusals {
  readonly #queue: ProposalQueue;
  #rounds: Round[] = [];
  /** Decided in this turn; one round confirms them all. */
  #fresh: Proposal[] = [];

  constructor(queue: ProposalQueue) {
    this.#queue = queue;
  }

  add(proposal: Proposal): void {
    this.#fresh.push(proposal);
  }

  /** At the end of a turn: `begin` starts a round and gives its id, or undefined: not now. */
  seal(begin: () => number | undefined): void {
    if (this.#fresh.length > 0) {
      this.#rounds.push({ readId: undefined, confirmed: false, proposals: this.#fresh });
      this.#fresh = [];
    }
    for (const round of this.#rounds) round.readId ??= begin();
  }

  confirmed(readId: number, committedIndex: number): void {
    for (const round of this.#rounds) if (round.readId === readId) round.confirmed = true;
    this.commit(committedIndex);
  }

  /** Tells what may be told now. */
  commit(committedIndex: number): void {
    if (this.#rounds.length === 0) return;
    for (const { confirmed, proposals } of this.#rounds) {
      if (!confirmed) continue;
      const left = proposals.filter((proposal) => proposal.waitIndex > committedIndex);
      for (const proposal of proposals) {
        if (proposal.waitIndex <= committedIndex) this.#tell(proposal);
      }
      proposals.splice(0, proposals.length, ...left);
    }
    this.#rounds = this.#rounds.filter(({ proposals }) => proposals.length > 0);
  }

  /** Leadership is lost: nothing was appended, and why not is no longer known. */
  fail(error: ProglogError): void {
    const proposals = [...this.#rounds.flatMap((round) => round.proposals), ...this.#fresh];
    this.#rounds = [];
    this.#fresh = [];
    for (const proposal of proposals) {
      this.#queue.answered(proposal);
      proposal.fail(error);
    }
  }

  *[Symbol.iterator](): Generator<Proposal, void> {
    for (const { proposals } of this.#rounds) yield* proposals;
  }

  #tell(proposal: Proposal): void {
    this.#queue.answered(proposal);
    proposal.settle();
  }
}
