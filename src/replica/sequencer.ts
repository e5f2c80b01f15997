import { assert, BatchBuilder, limits, ProglogError, stampBatch } from "../base/index.ts";
import { encodeLogStart, ENTRY_TYPE } from "../log/index.ts";
import type { Entry, EntryType } from "../log/index.ts";
import type { Answers } from "./answers.ts";
import { decide } from "./decision.ts";
import type { Turn } from "./decision.ts";
import { encodeProducerCreated } from "./producer-codec.ts";
import type { ProducerBatch } from "./producer-codec.ts";
import type { ProducerTable } from "./producers.ts";
import type { LogStartContent, ProducerContent, Proposal, ProposalQueue } from "./proposals.ts";
import type { Refusals } from "./refusals.ts";

/** The end of the log as the leader sees it, where its entries go. */
export interface Appending {
  readonly lastIndex: number;
  readonly nextOffset: number;
  /** False when leadership is just ending. */
  append(entry: Entry): boolean;
}

export interface SequencerParts {
  readonly log: Appending;
  readonly producers: ProducerTable;
  readonly queue: ProposalQueue;
  readonly answers: Answers;
  /** Takes refusals by what the log holds, which may only be told when leadership is confirmed. */
  readonly refusals: Refusals;
}

/**
 * Gives proposals their places: decides each against the whole log of this replica, its uncommitted
 * tail included, and appends what is to be appended. Nothing here waits: making the entries durable
 * and committing them is the caller's part, telling the outcome is that of `Answers`.
 *
 * - Proposals are decided in the order in which they came.
 * - An entry of records holds one batch: a client's own, or all neighbouring single records that ask
 *   nothing of their place.
 * - A proposal is among the answers before its entry goes to the log, so that a failure there finds
 *   its caller.
 */
export class Sequencer {
  readonly #log: Appending;
  readonly #producers: ProducerTable;
  readonly #queue: ProposalQueue;
  readonly #answers: Answers;
  readonly #refusals: Refusals;
  readonly #builder = new BatchBuilder();

  constructor(parts: SequencerParts) {
    this.#log = parts.log;
    this.#producers = parts.producers;
    this.#queue = parts.queue;
    this.#answers = parts.answers;
    this.#refusals = parts.refusals;
  }

  /** Decides what waits, up to one group write. The log's own errors are thrown. */
  sequence(turn: Turn): void {
    let bytes = 0;
    let count = 0;
    while (count < limits.groupProposalsMax) {
      const head = this.#queue.peek();
      if (head === undefined) return;
      if (bytes > 0 && bytes + head.bytes > limits.groupWriteBytesMax) return;
      if (head.isPackable && turn.admission === undefined) {
        const waiting = this.#queue.length;
        bytes += this.#appendPacked(turn, limits.groupWriteBytesMax - bytes);
        count += waiting - this.#queue.length;
      } else {
        this.#queue.shift();
        bytes += head.bytes;
        count += 1;
        this.#sequenceAlone(head, turn);
      }
    }
  }

  /** Packs records from the front of the queue into one batch; returns what they count for. */
  #appendPacked(turn: Turn, bytesMax: number): number {
    const baseOffset = this.#log.nextOffset;
    let bytes = 0;
    for (let count = 0; count < limits.groupProposalsMax; count++) {
      const head = this.#queue.peek();
      if (!head?.isPackable || head.content.kind !== "record") break;
      if (count > 0 && bytes + head.bytes > bytesMax) break;
      if (!this.#builder.add(head.content.record, turn.appendedAt)) break;
      this.#queue.shift();
      bytes += head.bytes;
      this.#willAppend(head, turn, baseOffset + count, 1);
    }
    const recordCount = this.#builder.count;
    const payload = this.#builder.finish({ baseOffset, leaderEpoch: turn.term });
    this.#append(ENTRY_TYPE.records, turn, recordCount, payload);
    return bytes;
  }

  #sequenceAlone(proposal: Proposal, turn: Turn): void {
    const decision = decide(proposal, turn, this.#log, this.#producers);
    switch (decision.kind) {
      case "append":
        this.#appendAlone(proposal, turn);
        break;
      case "repeat":
        this.#answerRepeat(proposal, turn, decision.batch);
        break;
      case "refuse":
        this.#refuse(proposal, turn, decision.error, decision.waitIndex);
        break;
    }
  }

  #appendAlone(proposal: Proposal, turn: Turn): void {
    const { content } = proposal;
    const baseOffset = this.#log.nextOffset;
    switch (content.kind) {
      case "record": {
        this.#willAppend(proposal, turn, baseOffset, 1);
        const added = this.#builder.add(content.record, turn.appendedAt);
        assert(added, "an empty batch takes any legal record");
        const stamps = { stamp: proposal.stamp, baseOffset, leaderEpoch: turn.term };
        this.#append(ENTRY_TYPE.records, turn, 1, this.#builder.finish(stamps));
        break;
      }
      case "batch":
        this.#willAppend(proposal, turn, baseOffset, content.recordCount);
        stampBatch(content.batch, baseOffset, turn.term);
        this.#append(ENTRY_TYPE.records, turn, content.recordCount, content.batch);
        break;
      case "producer":
        this.#willAppend(proposal, turn, baseOffset, 0);
        this.#appendProducer(content, turn);
        break;
      case "logStart":
        this.#willAppend(proposal, turn, baseOffset, 0);
        this.#appendLogStart(content, turn);
        break;
    }
  }

  #appendProducer(content: ProducerContent, turn: Turn): void {
    const created = this.#producers.nextIdentity(content.name);
    this.#append(ENTRY_TYPE.producerCreated, turn, 0, encodeProducerCreated(created));
    const id = created.id === 0 ? this.#log.lastIndex : created.id;
    content.identity = { id, epoch: created.epoch };
  }

  #appendLogStart(content: LogStartContent, turn: Turn): void {
    this.#append(ENTRY_TYPE.logStart, turn, 0, encodeLogStart(content.plan()));
  }

  #willAppend(proposal: Proposal, turn: Turn, baseOffset: number, recordCount: number): void {
    const { term, appendedAt: timestampMs } = turn;
    proposal.answer = { baseOffset, recordCount, term, timestampMs, duplicate: false };
    proposal.waitIndex = this.#log.lastIndex + 1;
    this.#answers.add(proposal);
  }

  #answerRepeat(proposal: Proposal, turn: Turn, batch: ProducerBatch): void {
    const { baseOffset, recordCount, term, appendedAt: timestampMs } = batch;
    proposal.answer = { baseOffset, recordCount, term, timestampMs, duplicate: true };
    proposal.waitIndex = batch.index;
    this.#tellOrWait(proposal, turn);
  }

  #refuse(proposal: Proposal, turn: Turn, error: ProglogError, waitIndex: number): void {
    proposal.refuse(error, waitIndex);
    if (waitIndex > 0 && turn.confirmsRefusals) this.#refusals.add(proposal);
    else this.#tellOrWait(proposal, turn);
  }

  #tellOrWait(proposal: Proposal, turn: Turn): void {
    if (proposal.waitIndex <= turn.committedIndex) this.#answers.tell(proposal);
    else this.#answers.add(proposal);
  }

  #append(
    type: EntryType,
    { term, appendedAt }: Pick<Turn, "term" | "appendedAt">,
    recordCount: number,
    payload: Uint8Array,
  ): void {
    const { lastIndex, nextOffset: baseOffset } = this.#log;
    const index = lastIndex + 1;
    const entry = { index, term, type, baseOffset, appendedAt, recordCount, payload };
    if (!this.#log.append(entry)) {
      throw new ProglogError("UNAVAILABLE", "leadership ended while the append was being decided");
    }
  }
}
