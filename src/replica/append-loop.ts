import { limits, ProglogError } from "../base/index.ts";
import type { AppendAnswer, AppendOptions, Clock, Observer } from "../base/index.ts";
import { Answers } from "./answers.ts";
import { AppendTraces } from "./append-traces.ts";
import { abortError, notAppended } from "./checks.ts";
import type { Consensus } from "./consensus.ts";
import type { ProducerTable } from "./producers.ts";
import { Proposal, proposalBytes, ProposalQueue } from "./proposals.ts";
import type { Content } from "./proposals.ts";
import { Refusals } from "./refusals.ts";
import type { ReplicaLog } from "./replica-log.ts";
import { Sequencer } from "./sequencer.ts";

export interface AppendLoopParts {
  readonly log: ReplicaLog;
  readonly consensus: Consensus;
  readonly producers: ProducerTable;
  readonly clock: Clock;
  readonly observer: Observer;
  /** Who leads, and where it is, for those who have come to the wrong one. */
  readonly leader: () => { readonly name: string; readonly rpcAddress: string } | undefined;
}

type NewProposal = ConstructorParameters<typeof Proposal>;

/**
 * The appends of a replica: those that wait are decided whenever it leads and its disk is free, and
 * are answered when what was decided is committed; what arrives meanwhile shares the next turn.
 *
 * - Nothing is decided before an entry of the present term is committed.
 * - What was proposed and not committed when leadership ended is answered when this replica hears
 *   what became of it; its outcome is unknown when it hears nothing for a while. What was not proposed
 *   was not appended.
 * - After the log has failed nothing is decided or acknowledged any more.
 * - Every proposal that was let in is answered, once.
 */
export class AppendLoop {
  readonly #log: ReplicaLog;
  readonly #consensus: Consensus;
  readonly #clock: Clock;
  readonly #observer: Observer;
  readonly #leader: AppendLoopParts["leader"];
  readonly #queue = new ProposalQueue();
  readonly #answers = new Answers(this.#queue);
  readonly #refusals = new Refusals(this.#queue);
  readonly #sequencer: Sequencer;
  readonly #traces = new AppendTraces();

  #wasEstablished = false;
  #closed = false;
  #failure: ProglogError | undefined;
  #idleWaiters: (() => void)[] = [];
  #cancelSweep: (() => void) | undefined;
  #cancelHold: (() => void) | undefined;

  constructor(parts: AppendLoopParts) {
    this.#log = parts.log;
    this.#consensus = parts.consensus;
    this.#clock = parts.clock;
    this.#observer = parts.observer;
    this.#leader = parts.leader;
    this.#sequencer = new Sequencer({
      log: parts.consensus,
      producers: parts.producers,
      queue: this.#queue,
      answers: this.#answers,
      refusals: this.#refusals,
    });
  }

  /** Whether appends are decided here. */
  get isLeading(): boolean {
    return this.#failure === undefined && this.#consensus.isEstablished;
  }

  get failure(): ProglogError | undefined {
    return this.#failure;
  }

  /** Resolves once the proposal is committed, rejects once it is decided that it will not be. */
  propose(content: Content, options: AppendOptions): Promise<AppendAnswer> {
    const bytes = proposalBytes(content);
    const refusal = this.#refusal(bytes, options);
    if (refusal !== undefined) return Promise.reject(refuseEarly(refusal, options));
    return new Promise((resolve, reject) => {
      this.#queue.push(this.#newProposal(content, bytes, options, resolve, reject));
      if (options.signal !== undefined) this.#watchSignals();
      if (this.#consensus.isIdle) this.#consensus.wake();
    });
  }

  #newProposal(...[content, bytes, options, resolve, reject]: NewProposal): Proposal {
    const { span } = options;
    if (span === undefined) return new Proposal(content, bytes, options, resolve, reject);
    const proposal = new Proposal(
      ...([content, bytes, options] as const),
      (answer) => {
        this.#traces.ended(proposal);
        resolve(answer);
      },
      (error) => {
        this.#traces.ended(proposal, error.message);
        reject(error);
      },
    );
    this.#traces.begin(proposal, span);
    return proposal;
  }

  /** Decides everything that waits, up to one group. Called when this replica leads and has nothing to write. */
  decide(): void {
    this.#wasEstablished = true;
    if (this.#queue.length > 0) {
      this.#decideGroup();
      this.#traces.decided();
    }
    this.#refusals.seal(() => this.#confirm());
  }

  /** A majority has the log up to `index`, which is to be applied here. */
  agreed(index: number): void {
    this.#traces.agreed(index);
  }

  /** More is committed: tells those who waited for it. */
  committed(): void {
    const { commitIndex } = this.#consensus;
    if (this.#answers.heldCount > 0) this.#resolveHeld();
    this.#answers.commit(commitIndex);
    this.#refusals.commit(commitIndex);
    this.#tellIdle();
  }

  /** A round has confirmed that this replica led after it began. */
  confirmed(readId: number): void {
    this.#refusals.confirmed(readId, this.#consensus.commitIndex);
    this.#tellIdle();
  }

  /** Leadership was won or lost. */
  roleChanged(): void {
    if (this.#consensus.isLeader) return;
    this.#wasEstablished = false;
    if (this.#queue.unanswered === 0) return;
    if (this.#consensus.isAlone) {
      this.#abandon(leadershipLost());
      return;
    }
    this.#refusals.fail(notAppended(leadershipLost()));
    this.#hold();
    this.#refuseAll(this.notLeader());
  }

  /** What was proposed may yet be committed by another leader, or certainly not: that will be seen. */
  #hold(): void {
    this.#answers.hold(this.notLeader());
    if (this.#answers.heldCount === 0) return;
    this.#cancelHold ??= this.#clock.after(limits.outcomeWaitMs, () => {
      this.#cancelHold = undefined;
      this.#answers.failHeld(leadershipLost());
      this.#tellIdle();
    });
  }

  #resolveHeld(): void {
    const { commitIndex } = this.#consensus;
    const termAt = (index: number): number | undefined => this.#consensus.termAt(index);
    this.#answers.resolveHeld({ commitIndex, termAt }, overwritten(), leadershipLost());
    if (this.#answers.heldCount > 0) return;
    this.#cancelHold?.();
    this.#cancelHold = undefined;
  }

  /**
   * The disk was full, and what was not durable is gone. Whether others have it nobody knows, unless
   * there are none.
   */
  tookBack(error: ProglogError): void {
    const refused = notAppended(error);
    const { isAlone, commitIndex } = this.#consensus;
    this.#answers.fail(commitIndex, isAlone ? refused : leadershipLost(), refused);
    this.#refusals.fail(refused);
    this.#observer.log("error", "replica.append-failed", { code: error.code });
    if (!isAlone || !this.#wasEstablished) this.#refuseAll(refused);
    this.#wasEstablished = false;
    if (this.#queue.length > 0) this.#consensus.campaign();
    this.#tellIdle();
  }

  /** The log is dead. */
  died(error: ProglogError): void {
    const refused = notAppended(error);
    this.#failure = refused;
    this.#answers.fail(this.#consensus.commitIndex, error, refused);
    this.#refusals.fail(refused);
    this.#observer.log("error", "replica.append-failed", { code: error.code });
    this.#refuseAll(refused);
    this.#tellIdle();
  }

  /** Begins the next turn of an only voter that could not lead because its disk was full. */
  campaignIfWanted(): void {
    if (this.#queue.length === 0 || this.#consensus.isLeader || !this.#consensus.isAlone) return;
    this.#consensus.campaign();
  }

  /** Refuses new proposals and waits until those that were let in are answered; not for ever. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#queue.unanswered > 0) {
      await new Promise<void>((resolve) => {
        this.#idleWaiters.push(resolve);
        if (this.#consensus.isAlone) return;
        const cancel = this.#clock.after(limits.leaderDrainTimeoutMs, () => {
          this.#abandon(leadershipLost());
          this.#refuseAll(notAppended(stopping()));
        });
        this.#idleWaiters.push(cancel);
      });
    }
    this.#cancelSweep?.();
    this.#cancelHold?.();
  }

  /** For those who have come to the wrong server. */
  notLeader(): ProglogError {
    const leader = this.#leader();
    if (leader === undefined) {
      return new ProglogError("NOT_LEADER", "no leader is known", { notAppended: true });
    }
    const { name, rpcAddress } = leader;
    const details = { leader: name, ...(rpcAddress !== "" && { leader_rpc_addr: rpcAddress }) };
    const message = `this server does not lead, ${name} does`;
    return new ProglogError("NOT_LEADER", message, { details, notAppended: true });
  }

  #refusal(bytes: number, { signal, stream }: AppendOptions): ProglogError | undefined {
    if (signal?.aborted === true) return abortError(signal);
    if (stream?.failed !== undefined) return stream.failed;
    if (this.#failure !== undefined) return this.#failure;
    if (this.#closed) return stopping();
    if (!this.#consensus.isLeader && !this.#consensus.isAlone) return this.notLeader();
    if (this.#queue.hasRoomFor(bytes)) return undefined;
    return new ProglogError("RESOURCE_EXHAUSTED", "too many appends are waiting to be written");
  }

  #decideGroup(): void {
    const { lastIndex } = this.#consensus;
    try {
      this.#sequencer.sequence({
        term: this.#consensus.term,
        committedIndex: this.#consensus.commitIndex,
        appendedAt: this.#consensus.appendedAt(),
        admission: this.#admission(),
        confirmsRefusals: !this.#consensus.isAlone,
      });
    } catch (error) {
      if (!(error instanceof ProglogError)) throw error;
      if (error.code === "UNAVAILABLE") this.#abandon(leadershipLost());
      else this.#consensus.fail(error);
    }
    // A turn that gave the disk nothing to do lets others run before the next.
    if (this.#queue.length > 0 && this.#consensus.lastIndex === lastIndex) this.#consensus.wake();
    this.#tellIdle();
  }

  /** Why nothing new may be added now: no room here, or on the disk of a voter. */
  #admission(): ProglogError | undefined {
    const own = this.#log.admission();
    if (own !== undefined || this.#consensus.isAlone) return own;
    const freeBytes = this.#consensus.freeBytesOfVoters();
    if (freeBytes >= this.#log.space.reserveBytes) return undefined;
    return new ProglogError(
      "RESOURCE_EXHAUSTED",
      `the disk of another replica is nearly full: ${freeBytes} bytes free`,
      { notAppended: true, details: { free_bytes: String(freeBytes) } },
    );
  }

  #confirm(): number | undefined {
    const result = this.#consensus.readIndex();
    return result.kind === "started" ? result.readId : undefined;
  }

  /** What was proposed may be in the log or not; a refusal put nothing there. */
  #abandon(error: ProglogError): void {
    const refused = notAppended(error);
    this.#answers.fail(this.#consensus.commitIndex, error, refused);
    this.#refusals.fail(refused);
    this.#tellIdle();
  }

  /** For those that nothing was decided about yet. */
  #refuseAll(error: ProglogError): void {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      this.#queue.answered(next);
      next.fail(error);
    }
    this.#tellIdle();
  }

  #tellIdle(): void {
    if (this.#idleWaiters.length === 0 || this.#queue.unanswered > 0) return;
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const resolve of waiters) resolve();
  }

  /**
   * Callers that gave up are looked for now and then instead of listened for: a listener on every
   * signal would cost more than the whole rest of an append.
   */
  #watchSignals(): void {
    this.#cancelSweep ??= this.#clock.after(limits.abandonedSweepIntervalMs, () => {
      this.#cancelSweep = undefined;
      let watched = false;
      for (const proposals of [this.#answers, this.#refusals, this.#queue]) {
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

function stopping(): ProglogError {
  return new ProglogError("UNAVAILABLE", "the server is stopping");
}

function leadershipLost(): ProglogError {
  const message =
    "leadership was lost before the append was committed; it may be in the log or not";
  return new ProglogError("UNAVAILABLE", message);
}

function overwritten(): ProglogError {
  const message =
    "another leader took over before the append was on enough disks: it is not in the log";
  return new ProglogError("UNAVAILABLE", message, { notAppended: true });
}
