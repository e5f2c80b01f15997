import { limits, ProglogError } from "../base/index.ts";
import type { AppendAnswer, AppendOptions, Clock, Observer } from "../base/index.ts";
import type { LogStart } from "../log/index.ts";
import { Answers } from "./answers.ts";
import { abortError, notAppended } from "./checks.ts";
import type { ProducerTable } from "./producers.ts";
import { Proposal, proposalBytes, ProposalQueue } from "./proposals.ts";
import type { Content } from "./proposals.ts";
import type { ReplicaLog } from "./replica-log.ts";
import { Sequencer } from "./sequencer.ts";
import type { SoleVoter } from "./sole-voter.ts";

export interface AppendLoopParts {
  readonly log: ReplicaLog;
  readonly voter: SoleVoter;
  readonly producers: ProducerTable;
  readonly clock: Clock;
  readonly observer: Observer;
  readonly schedule: (task: () => void) => void;
  /** After each rise of the committed offset, when the answers are on their way. */
  readonly onCommit: () => void;
}

/**
 * The loop: decide everything that waits, make it durable and committed, answer; what arrives
 * meanwhile shares the next turn. There is at most one turn at a time, so a decision sees everything
 * that was decided before it.
 *
 * - Nothing is decided before an entry of the present term is committed.
 * - After the log has failed nothing is decided or acknowledged any more.
 * - Every proposal that was let in is answered, once.
 */
export class AppendLoop {
  readonly #log: ReplicaLog;
  readonly #voter: SoleVoter;
  readonly #clock: Clock;
  readonly #observer: Observer;
  readonly #schedule: (task: () => void) => void;
  readonly #onCommit: () => void;
  readonly #queue = new ProposalQueue();
  readonly #answers = new Answers(this.#queue);
  readonly #sequencer: Sequencer;

  #established = false;
  #running = false;
  #closed = false;
  #failure: ProglogError | undefined;
  #idleWaiters: (() => void)[] = [];
  #cancelSweep: (() => void) | undefined;
  /** The log start that was carried out last, and how many segments it has left to remove. */
  #trimmedTo: LogStart | undefined;
  #segmentsLeft = 0;

  constructor(parts: AppendLoopParts) {
    this.#log = parts.log;
    this.#voter = parts.voter;
    this.#clock = parts.clock;
    this.#observer = parts.observer;
    this.#schedule = parts.schedule;
    this.#onCommit = parts.onCommit;
    this.#sequencer = new Sequencer({ ...parts, queue: this.#queue, answers: this.#answers });
  }

  /** Whether appends are decided here. */
  get isLeading(): boolean {
    return this.#established && this.#failure === undefined;
  }

  /**
   * Commits a first entry of the term. On a full disk that comes later, with the first append that
   * finds room; other errors of the log are thrown.
   */
  async start(): Promise<void> {
    this.#running = true;
    await this.#turn();
    this.#becomeIdle();
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Resolves once the proposal is committed, rejects once it is decided that it will not be. */
  propose(content: Content, options: AppendOptions): Promise<AppendAnswer> {
    const bytes = proposalBytes(content);
    const refusal = this.#refusal(bytes, options);
    if (refusal !== undefined) return Promise.reject(refuseEarly(refusal, options));
    return new Promise((resolve, reject) => {
      this.#queue.push(new Proposal(content, bytes, options, resolve, reject));
      if (options.signal !== undefined) this.#watchSignals();
      if (!this.#running) this.#wake();
    });
  }

  /** Goes on removing what an earlier log start could not remove in one pass. */
  trimMore(): void {
    if (this.#segmentsLeft === 0 || this.#closed) return;
    this.#trimmedTo = undefined;
    if (!this.#running) this.#wake();
  }

  /** Refuses new proposals and waits until those that were let in are answered. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#running) await new Promise<void>((resolve) => this.#idleWaiters.push(resolve));
    this.#cancelSweep?.();
  }

  #refusal(bytes: number, { signal, stream }: AppendOptions): ProglogError | undefined {
    if (signal?.aborted === true) return abortError(signal);
    if (stream?.failed !== undefined) return stream.failed;
    if (this.#failure !== undefined) return this.#failure;
    if (this.#closed) return new ProglogError("UNAVAILABLE", "the server is stopping");
    if (this.#queue.hasRoomFor(bytes)) return undefined;
    return new ProglogError("RESOURCE_EXHAUSTED", "too many appends are waiting to be written");
  }

  // --- turns -------------------------------------------------------------------------------------

  #wake(): void {
    this.#running = true;
    this.#schedule(this.#runTurns);
  }

  // Nobody awaits the turns: a mistake of ours in one of them ends the process, as it should.
  readonly #runTurns = (): void => void this.#turns();

  async #turns(): Promise<void> {
    do {
      const committedIndex = this.#voter.committedIndex;
      await this.#turn();
      // A turn that did not wait for the disk lets others run before the next.
      if (committedIndex === this.#voter.committedIndex) break;
    } while (this.#queue.length > 0);
    if (this.#queue.length > 0) this.#wake();
    else this.#becomeIdle();
  }

  #becomeIdle(): void {
    this.#running = false;
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const resolve of waiters) resolve();
  }

  async #turn(): Promise<void> {
    try {
      if (!this.#established) await this.#establish();
      this.#sequencer.sequence({
        term: this.#voter.term,
        committedIndex: this.#voter.committedIndex,
        appendedAt: this.#appendedAt(),
        admission: this.#log.admission(),
      });
      if (this.#log.lastIndex > this.#voter.committedIndex) await this.#persist();
      const { logStart } = this.#log.control;
      if (this.#trimmedTo !== logStart) await this.#trim(logStart);
    } catch (error) {
      if (!(error instanceof ProglogError)) throw error;
      this.#fail(error);
    }
  }

  /** Carries out a committed log start. Part of a turn, since nobody may append meanwhile. */
  async #trim(start: LogStart): Promise<void> {
    this.#trimmedTo = start;
    this.#segmentsLeft = await this.#log.startAt(start);
  }

  /** What was in the log before is known to be committed when an entry of this term is. */
  async #establish(): Promise<void> {
    this.#sequencer.appendNoop({ term: this.#voter.term, appendedAt: this.#appendedAt() });
    await this.#persist();
    this.#established = true;
  }

  async #persist(): Promise<void> {
    await this.#voter.persist();
    this.#tellCommitted();
  }

  #tellCommitted(): void {
    this.#answers.commit(this.#voter.committedIndex);
    this.#onCommit();
  }

  /** Time never goes back in the log, whatever the clock does. */
  #appendedAt(): number {
    return Math.max(this.#clock.now(), this.#log.lastAppendedAt);
  }

  // --- trouble -----------------------------------------------------------------------------------

  #fail(error: ProglogError): void {
    const tookBack = error.code === "RESOURCE_EXHAUSTED";
    if (tookBack) this.#voter.tookBack();
    else this.#voter.died();
    this.#tellCommitted();
    const refused = notAppended(error);
    this.#answers.fail(this.#voter.committedIndex, tookBack ? refused : error, refused);
    if (tookBack && this.#established) return;
    if (!tookBack) this.#failure = refused;
    this.#observer.log("error", "replica.append-failed", { code: error.code });
    this.#refuseAll(refused);
  }

  /** For those that nothing was decided about yet. */
  #refuseAll(error: ProglogError): void {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      this.#queue.answered(next);
      next.fail(error);
    }
  }

  /**
   * Callers that gave up are looked for now and then instead of listened for: a listener on every
   * signal would cost more than the whole rest of an append.
   */
  #watchSignals(): void {
    this.#cancelSweep ??= this.#clock.after(limits.abandonedSweepIntervalMs, () => {
      this.#cancelSweep = undefined;
      let watched = false;
      for (const proposals of [this.#answers, this.#queue]) {
        for (const proposal of proposals) {
          if (proposal.signal !== undefined && !proposal.abandonIfAborted()) watched = true;
        }
      }
      if (watched) this.#watchSignals();
    });
  }
}

/** Certainly not appended, and neither is what follows on the same stream. */
export function refuseEarly(caught: unknown, { stream }: AppendOptions): ProglogError {
  const error = notAppended(ProglogError.from(caught));
  if (stream !== undefined) stream.failed ??= error;
  return error;
}
