import type { BatchAnswer } from "../api/index.ts";
import { ProglogError } from "../base/index.ts";

/** A record is durable. */
export interface Ack {
  readonly offset: number;
  readonly term: number;
  /** An earlier attempt had already appended it; the offset is that attempt's. */
  readonly duplicate: boolean;
}

type Outcome = { readonly answer: BatchAnswer } | { readonly error: ProglogError };

/**
 * A batch on its way: first open, then sealed into a message, then settled once. The promise exists
 * only if somebody asks for it, so that nobody has to handle a failure that nobody asked about.
 */
export class PendingBatch {
  /** Set when the batch is sealed: the request as it goes over the wire, again if need be. */
  message: Buffer | undefined;
  recordCount = 0;
  /** On a second stream, after the first one broke. */
  isSentAgain = false;
  /** Streams that it was sent on, and that did not tell what became of it. */
  openAttempts = 0;
  #outcome: Outcome | undefined;
  #promise: Promise<BatchAnswer> | undefined;
  #settle: ((outcome: Outcome) => void) | undefined;

  settle(outcome: Outcome): void {
    this.#outcome = outcome;
    this.#settle?.(outcome);
  }

  answered(): Promise<BatchAnswer> {
    if (this.#promise === undefined) {
      this.#promise = new Promise((resolve, reject) => {
        this.#settle = (outcome) => {
          if ("answer" in outcome) resolve(outcome.answer);
          else reject(outcome.error);
        };
        if (this.#outcome !== undefined) this.#settle(this.#outcome);
      });
      this.#promise.catch(ignore);
    }
    return this.#promise;
  }
}

/** The same error, as it is for records of which it is certain, or unknown, that they are in no log. */
export function withOutcome(error: ProglogError, notAppended: boolean): ProglogError {
  const { code, details } = error;
  const outcome = notAppended
    ? "these records were not appended"
    : "whether these records were appended is unknown";
  return new ProglogError(code, `${outcome}: ${error.message}`, {
    cause: error,
    details,
    notAppended,
  });
}

/** A record that a producer has accepted. */
export class Sent {
  readonly #batch: PendingBatch;
  readonly #index: number;
  #ack: Promise<Ack> | undefined;

  constructor(batch: PendingBatch, index: number) {
    this.#batch = batch;
    this.#index = index;
  }

  /**
   * Resolves when the record is durable. Rejects when that is not known to be so: where the error's
   * `notAppended` is true the record is in no log, where it is false nobody knows. May be left alone:
   * `flush` and `close` tell.
   */
  get ack(): Promise<Ack> {
    if (this.#ack === undefined) {
      this.#ack = this.#batch.answered().then(({ baseOffset, term, duplicate }) => ({
        offset: baseOffset + this.#index,
        term,
        duplicate,
      }));
      this.#ack.catch(ignore);
    }
    return this.#ack;
  }
}

function ignore(): void {
  // A failure that is not looked at is reported by `flush` or `close`.
}
