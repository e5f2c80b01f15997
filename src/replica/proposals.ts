import { Deque, limits, ProglogError, recordSize } from "../base/index.ts";
import type {
  AppendAnswer,
  AppendOptions,
  AppendStream,
  ProducerIdentity,
  ProducerStamp,
  RecordInput,
} from "../base/index.ts";
import type { LogStart } from "../log/index.ts";

/** What is to be appended. */
export type Content = RecordContent | BatchContent | ProducerContent | LogStartContent;

/** A single record; the server makes the batch. */
export interface RecordContent {
  readonly kind: "record";
  readonly record: RecordInput;
}

/** A batch as a client made it, checked. */
export interface BatchContent {
  readonly kind: "batch";
  readonly batch: Uint8Array;
  readonly recordCount: number;
}

/** A producer that wants to be known. */
export interface ProducerContent {
  readonly kind: "producer";
  readonly name: string;
  /** Who it became; set when it was decided. */
  identity: ProducerIdentity | undefined;
}

/** A new beginning of the log, or a new rule for where it should begin. */
export interface LogStartContent {
  readonly kind: "logStart";
  /** Asked when its turn has come, so that it follows from what was decided before. */
  readonly plan: () => LogStart;
}

/** Besides the content: what an entry, a batch and the bookkeeping take. */
const PROPOSAL_BYTES = 128;

/** One append on its way from its caller to its answer. */
export class Proposal {
  readonly content: Content;
  readonly stamp: ProducerStamp | undefined;
  readonly expectedOffset: number | undefined;
  readonly stream: AppendStream | undefined;
  /** What it counts for in every limit. */
  readonly bytes: number;
  /** Gone once the caller was told that its waiting is over. */
  signal: AbortSignal | undefined;

  /** The outcome, once decided, to be told when the entry at `waitIndex` is committed. */
  answer: AppendAnswer | undefined = undefined;
  refusal: ProglogError | undefined = undefined;
  waitIndex = 0;

  readonly #resolve: (answer: AppendAnswer) => void;
  readonly #reject: (error: ProglogError) => void;

  constructor(
    content: Content,
    bytes: number,
    options: AppendOptions,
    resolve: (answer: AppendAnswer) => void,
    reject: (error: ProglogError) => void,
  ) {
    this.content = content;
    this.stamp = options.stamp;
    this.expectedOffset = options.expectedOffset;
    this.stream = options.stream;
    this.signal = options.signal;
    this.bytes = bytes;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** Whether it may share a batch with its neighbours: nothing is asked of its place. */
  get isPackable(): boolean {
    return (
      this.content.kind === "record" &&
      this.stamp === undefined &&
      this.expectedOffset === undefined &&
      this.stream?.failed === undefined
    );
  }

  /** Decides against it. Those behind it on its stream fall with it, from this moment on. */
  refuse(error: ProglogError, waitIndex: number): void {
    this.refusal = error;
    this.waitIndex = waitIndex;
    if (this.stream !== undefined) this.stream.failed ??= error;
  }

  /** Tells the caller what was decided. */
  settle(): void {
    if (this.refusal !== undefined) this.#reject(this.refusal);
    else if (this.answer !== undefined) this.#resolve(this.answer);
  }

  /** Tells the caller that it did not come to what was decided. */
  fail(error: ProglogError): void {
    if (this.stream !== undefined) this.stream.failed ??= error;
    this.#reject(error);
  }

  /** Lets go of a caller that waits no longer; what happens to the append stays as it is. */
  abandonIfAborted(): boolean {
    if (this.signal?.aborted !== true) return false;
    this.#reject(ProglogError.from(this.signal.reason, "CANCELLED"));
    this.signal = undefined;
    return true;
  }
}

/** What a content counts for in every limit. */
export function proposalBytes(content: Content): number {
  switch (content.kind) {
    case "record":
      return PROPOSAL_BYTES + recordSize(content.record);
    case "batch":
      return PROPOSAL_BYTES + content.batch.length;
    case "producer":
      return PROPOSAL_BYTES + limits.producerNameBytesMax;
    case "logStart":
      return PROPOSAL_BYTES;
  }
}

/**
 * Appends that nothing was decided about yet, in the order in which they came. Counts all that are
 * unanswered, also those that were taken out: beyond `proposalsMax` of them or `proposalsBytesMax`
 * bytes, none is let in.
 */
export class ProposalQueue {
  readonly #waiting = new Deque<Proposal>();
  #unanswered = 0;
  #unansweredBytes = 0;

  get length(): number {
    return this.#waiting.length;
  }

  /** Proposals without an answer, taken out or not. */
  get unanswered(): number {
    return this.#unanswered;
  }

  hasRoomFor(bytes: number): boolean {
    return (
      this.#unanswered < limits.proposalsMax &&
      this.#unansweredBytes + bytes <= limits.proposalsBytesMax
    );
  }

  push(proposal: Proposal): void {
    this.#waiting.push(proposal);
    this.#unanswered += 1;
    this.#unansweredBytes += proposal.bytes;
  }

  peek(): Proposal | undefined {
    return this.#waiting.peek();
  }

  /** Takes the first out; it stays unanswered until `answered`. */
  shift(): Proposal | undefined {
    return this.#waiting.shift();
  }

  answered(proposal: Proposal): void {
    this.#unanswered -= 1;
    this.#unansweredBytes -= proposal.bytes;
  }

  [Symbol.iterator](): Iterator<Proposal> {
    return this.#waiting[Symbol.iterator]();
  }
}
