import type { AppendAttempt, Operation, Violation } from "../../../sim/checkers/index.ts";

/** What became of an append: its offset; refused; or nobody knows. */
export type Outcome = number | "fail" | "info";

/** What happened in one second of the run. */
export interface Second {
  acknowledged: number;
  refused: number;
  unknown: number;
  reads: number;
  readonly latenciesMs: number[];
}

export type WriterKind = "idempotent" | "plain" | "conditional";

/** An append as its writer knows it, until it is over. */
export interface Begun {
  readonly kind: WriterKind;
  readonly value: string;
  readonly invokedAt: number;
  readonly invokedMs: number;
}

const FILL = "abcdefghijklmnopqrstuvwxyz".repeat(20);

/** The text of a record: what names it, and bytes that follow from the name. */
export function textOf(name: string, n: number): string {
  return `${name}/${n}:${FILL.slice(n % 26, (n % 26) + ((n * 7919) % 300))}`;
}

/** The name of a record by its text; undefined when the text is none that we write. */
export function nameOf(text: string): string | undefined {
  const end = text.indexOf(":");
  const name = text.slice(0, end);
  const slash = name.lastIndexOf("/");
  return textOf(name.slice(0, slash), Number(name.slice(slash + 1))) === text ? name : undefined;
}

/**
 * What clients asked and were told, in the words of the exact checker. Of what is the same to it only
 * one is kept: the first sight of a value at an offset, and the last of "nothing there yet".
 */
export class History {
  readonly violations: Violation[] = [];
  /** By offset: what was acknowledged. */
  readonly acknowledged: Map<number, string> = new Map();
  /** By offset: the term that an acknowledgement named. */
  readonly terms: Map<number, number> = new Map();
  readonly seconds: Second[] = [];
  readonly tally: Record<WriterKind, number> = { idempotent: 0, plain: 0, conditional: 0 };
  /** Of appends that are over. */
  refused = 0;
  unknown = 0;
  /** Conditional appends among those refused. */
  mismatches = 0;
  reads = 0;
  freshReads = 0;
  /** When something was last acknowledged, and the longest time between two such. */
  lastAckMs: number;
  longestGapMs = 0;
  /** One past the highest offset that anybody was told of. */
  next = 0;
  /** The log may begin here, and no further on. */
  deletedTo = 0;
  readonly #beganMs = performance.now();
  readonly #attempts: AppendAttempt[] = [];
  readonly #reads: Operation[] = [];
  readonly #absent = new Map<number, Operation>();
  readonly #seen = new Map<number, string>();
  #moment = 0;

  constructor() {
    this.lastAckMs = this.#beganMs;
  }

  /** A place in the one order of events. */
  moment(): number {
    return ++this.#moment;
  }

  /** Milliseconds since the run began. */
  get nowMs(): number {
    return performance.now() - this.#beganMs;
  }

  get appends(): number {
    return this.#attempts.length;
  }

  begin(kind: WriterKind, value: string): Begun {
    return { kind, value, invokedAt: this.moment(), invokedMs: performance.now() };
  }

  end({ kind, value, invokedAt, invokedMs }: Begun, outcome: Outcome, term?: number): void {
    const name = value.slice(0, value.indexOf(":"));
    const returnedAt = outcome === "info" ? Infinity : this.moment();
    // Of any kind, what the library repeats by itself may leave one copy at most.
    const attempt = {
      kind: "append",
      value: name,
      invokedAt,
      returnedAt,
      idempotent: true,
    } as const;
    const second = this.#second();
    if (typeof outcome === "string") {
      this.#attempts.push({ ...attempt, outcome });
      if (outcome === "fail") second.refused++;
      else second.unknown++;
      if (outcome === "fail") this.refused++;
      else this.unknown++;
      if (outcome === "fail" && kind === "conditional") this.mismatches++;
      return;
    }
    this.#attempts.push({ ...attempt, outcome: "ok", offset: outcome });
    this.#acknowledge(outcome, name, term);
    this.tally[kind]++;
    second.acknowledged++;
    second.latenciesMs.push(performance.now() - invokedMs);
  }

  /** Somebody was given this text at this offset. */
  saw(offset: number, text: string): void {
    this.reads++;
    this.#second().reads++;
    const name = nameOf(text);
    if (name === undefined) {
      this.violate("R3", `offset ${offset} has bytes that nobody wrote: ${text.slice(0, 80)}`);
      return;
    }
    this.next = Math.max(this.next, offset + 1);
    // A value that was seen later says nothing more than that it was there before.
    if (this.#seen.get(offset) === name) return;
    this.#seen.set(offset, name);
    const when = { invokedAt: 0, returnedAt: this.moment() };
    this.#reads.push({ kind: "read", offset, value: name, ...when, linearizable: false });
  }

  /** Somebody asked, by a linearizable read, and was told that there is no such record yet. */
  absent(offset: number, invokedAt: number): void {
    this.reads++;
    this.freshReads++;
    const returnedAt = this.moment();
    const before = this.#absent.get(offset);
    if (before !== undefined && before.invokedAt > invokedAt) return;
    const read = { kind: "read", offset, value: undefined, invokedAt, returnedAt } as const;
    this.#absent.set(offset, { ...read, linearizable: true });
  }

  /** The end of the log by a linearizable read. */
  tail(next: number, invokedAt: number): void {
    const returnedAt = this.moment();
    this.#reads.push({ kind: "tail", next, invokedAt, returnedAt, linearizable: true });
  }

  /** Records below this offset were let go of, or may be. */
  deletedBefore(offset: number): void {
    this.deletedTo = Math.max(this.deletedTo, offset);
  }

  violate(rule: string, message: string): void {
    if (this.violations.length < 100) this.violations.push({ rule, message });
  }

  operations(): Operation[] {
    return [...this.#attempts, ...this.#reads, ...this.#absent.values()];
  }

  /** By offset: the name of the record that is known to be, or to have been, there. */
  known(): Map<number, string> {
    return new Map([...this.#seen, ...this.acknowledged]);
  }

  #acknowledge(offset: number, name: string, term: number | undefined): void {
    this.acknowledged.set(offset, name);
    if (term !== undefined) this.terms.set(offset, term);
    this.next = Math.max(this.next, offset + 1);
    const now = performance.now();
    this.longestGapMs = Math.max(this.longestGapMs, now - this.lastAckMs);
    this.lastAckMs = now;
  }

  #second(): Second {
    const at = Math.floor(this.nowMs / 1_000);
    while (this.seconds.length <= at) {
      this.seconds.push({ acknowledged: 0, refused: 0, unknown: 0, reads: 0, latenciesMs: [] });
    }
    return this.seconds[at] as Second;
  }
}
