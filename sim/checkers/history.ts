import type { Violation } from "./violation.ts";

/**
 * One attempt to append one record. Times are of one clock and all distinct, or are places in one
 * order of events. Of a batch each record is an attempt, with the batch's times.
 */
export interface AppendAttempt {
  readonly kind: "append";
  /** Unique per logical record; a retry has the same. */
  readonly value: string;
  readonly invokedAt: number;
  /** When the answer came; `Infinity` when none did. */
  readonly returnedAt: number;
  /** `fail`: decided that it was not appended. `info`: nobody knows. */
  readonly outcome: "ok" | "fail" | "info";
  /** Where, when `ok`. */
  readonly offset?: number;
  /** All attempts of the value leave one copy at most; otherwise each may leave one. */
  readonly idempotent: boolean;
}

/** An answered read of one offset. Without a value: "there is no such record yet". */
export interface OffsetRead {
  readonly kind: "read";
  readonly offset: number;
  readonly value: string | undefined;
  readonly invokedAt: number;
  readonly returnedAt: number;
  /** A stale answer says what was there, never what was not. */
  readonly linearizable: boolean;
}

/** An answered question for the end of the log. */
export interface TailRead {
  readonly kind: "tail";
  /** The offset that the next record will have. */
  readonly next: number;
  readonly invokedAt: number;
  readonly returnedAt: number;
  readonly linearizable: boolean;
}

export type Operation = AppendAttempt | OffsetRead | TailRead;

/**
 * Whether a history of appends and reads is that of one log. Exact, in O(n log n): because every
 * append says where it went, nothing is searched.
 *
 * Let `p(o)` be the moment at which record `o` came into being. Answers bound it: `low(o) < p(o) <
 * high(o)`. Moments that grow with the offset and keep to their bounds exist exactly if the largest
 * `low` up to each offset is below its `high` (rule R5). Records whose append was never answered must
 * come from attempts with unknown outcome that began early enough (R4): thresholds are nested, so that
 * a greedy assignment finds one if there is one.
 *
 * R1: an offset names one value. R2: no offset is acknowledged twice, and no value appears more often
 * than it was attempted. R3: what is seen was sent, and not only by attempts that were refused.
 */
export function checkHistory(operations: readonly Operation[]): Violation[] {
  const violations: Violation[] = [];
  const attempts = operations.filter((operation) => operation.kind === "append");
  const appends = collapse(attempts, violations);
  const log = new Bounds(operations, appends, violations);
  checkInvention(log, attempts, violations);
  checkCopies(log, appends, violations);
  log.checkRealTime(violations);
  // Offsets without a known cause make the rest meaningless when these rules are broken already.
  if (violations.length === 0) checkHoles(log, appends, violations);
  return violations;
}

/** I1. All idempotent attempts of a value as one: from the first that may have acted to the first answer. */
function collapse(attempts: readonly AppendAttempt[], violations: Violation[]): AppendAttempt[] {
  const byValue = new Map<string, AppendAttempt>();
  const plain = attempts.filter(({ idempotent }) => !idempotent);
  for (const attempt of attempts) {
    if (!attempt.idempotent || attempt.outcome === "fail") continue;
    const known = byValue.get(attempt.value);
    if (known === undefined) {
      byValue.set(attempt.value, attempt);
      continue;
    }
    const ok = [known, attempt].filter(({ outcome }) => outcome === "ok");
    if (ok.length === 2 && known.offset !== attempt.offset) {
      const where = `${known.offset ?? "?"} and ${attempt.offset ?? "?"}`;
      violations.push({ rule: "I1", message: `"${attempt.value}" was acknowledged at ${where}` });
    }
    const first = ok[0];
    byValue.set(attempt.value, {
      kind: "append",
      value: attempt.value,
      invokedAt: Math.min(known.invokedAt, attempt.invokedAt),
      returnedAt: Math.min(known.returnedAt, attempt.returnedAt),
      outcome: first === undefined ? "info" : "ok",
      idempotent: true,
      ...(first?.offset === undefined ? {} : { offset: first.offset }),
    });
  }
  return [...plain, ...byValue.values()];
}

/** What the answers say of each offset. */
class Bounds {
  /** N: offsets below it have existed. */
  readonly end: number;
  readonly values: (string | undefined)[];
  readonly acknowledged: boolean[];
  readonly #low: number[];
  readonly #high: number[];

  constructor(
    operations: readonly Operation[],
    appends: readonly AppendAttempt[],
    violations: Violation[],
  ) {
    this.end = endOf(operations, violations);
    this.values = new Array<string | undefined>(this.end).fill(undefined);
    this.acknowledged = new Array<boolean>(this.end).fill(false);
    this.#low = new Array<number>(this.end).fill(-Infinity);
    this.#high = new Array<number>(this.end).fill(Infinity);
    for (const append of appends) this.#acknowledge(append, violations);
    for (const operation of operations) this.#read(operation, violations);
  }

  /** The latest moment at which each record existed, and with it all before it: H. */
  existedBy(): number[] {
    const by = this.#high.slice();
    for (let at = this.end - 2; at >= 0; at--) {
      by[at] = Math.min(by[at] as number, by[at + 1] as number);
    }
    return by;
  }

  /** R5. */
  checkRealTime(violations: Violation[]): void {
    let low = -Infinity;
    let lowAt = 0;
    for (let at = 0; at < this.end; at++) {
      if ((this.#low[at] as number) > low) {
        low = this.#low[at] as number;
        lowAt = at;
      }
      if (low < (this.#high[at] as number)) continue;
      const message = `offset ${at} was there by ${this.#high[at] ?? "?"}, but offset ${lowAt} was not before ${low}`;
      violations.push({ rule: "R5", message });
      return;
    }
  }

  #acknowledge(append: AppendAttempt, violations: Violation[]): void {
    const at = append.offset;
    if (append.outcome !== "ok" || at === undefined || !isOffset(at)) return;
    if (this.acknowledged[at] === true) {
      const message = `offset ${at} was acknowledged for "${this.values[at] ?? "?"}" and "${append.value}"`;
      violations.push({ rule: "R2", message });
    }
    this.acknowledged[at] = true;
    this.#name(at, append.value, violations);
    this.#bound(at, append.invokedAt, append.returnedAt);
  }

  #read(operation: Operation, violations: Violation[]): void {
    if (operation.kind === "append") return;
    const { invokedAt, returnedAt, linearizable } = operation;
    if (operation.kind === "tail") {
      if (linearizable) this.#bound(operation.next, invokedAt, Infinity);
      this.#bound(operation.next - 1, -Infinity, returnedAt);
    } else if (operation.value !== undefined) {
      this.#name(operation.offset, operation.value, violations);
      this.#bound(operation.offset, -Infinity, returnedAt);
    } else if (linearizable) {
      this.#bound(operation.offset, invokedAt, Infinity);
    }
  }

  /** R1. */
  #name(at: number, value: string, violations: Violation[]): void {
    if (at >= this.end) return;
    const known = this.values[at];
    if (known !== undefined && known !== value) {
      violations.push({ rule: "R1", message: `offset ${at} was "${known}" and "${value}"` });
    }
    this.values[at] ??= value;
  }

  #bound(at: number, low: number, high: number): void {
    if (!(at >= 0 && at < this.end)) return;
    this.#low[at] = Math.max(this.#low[at] as number, low);
    this.#high[at] = Math.min(this.#high[at] as number, high);
  }
}

/** R0, and N. */
function endOf(operations: readonly Operation[], violations: Violation[]): number {
  let end = 0;
  const see = (offset: number, next: number): void => {
    if (isOffset(offset)) end = Math.max(end, next);
    else violations.push({ rule: "R0", message: `${offset} is not an offset` });
  };
  for (const operation of operations) {
    if (operation.kind === "tail") see(operation.next, operation.next);
    else if (operation.kind === "append") {
      if (operation.outcome === "ok") see(operation.offset ?? NaN, (operation.offset ?? 0) + 1);
    } else if (operation.value !== undefined) see(operation.offset, operation.offset + 1);
  }
  return end;
}

function isOffset(offset: number | undefined): boolean {
  return Number.isSafeInteger(offset) && (offset as number) >= 0;
}

/** R3. */
function checkInvention(
  log: Bounds,
  attempts: readonly AppendAttempt[],
  violations: Violation[],
): void {
  const sent = new Set<string>();
  const live = new Set<string>();
  for (const { value, outcome } of attempts) {
    sent.add(value);
    if (outcome !== "fail") live.add(value);
  }
  log.values.forEach((value, at) => {
    if (value === undefined || live.has(value)) return;
    const why = sent.has(value) ? "was refused, and is there" : "was never sent";
    violations.push({ rule: "R3", message: `"${value}" at offset ${at} ${why}` });
  });
}

/** R2, the copies. Here every append is one copy at most. */
function checkCopies(
  log: Bounds,
  appends: readonly AppendAttempt[],
  violations: Violation[],
): void {
  const left = new Map<string, number>();
  for (const { value, outcome } of appends) {
    if (outcome !== "fail") left.set(value, (left.get(value) ?? 0) + 1);
  }
  log.values.forEach((value, at) => {
    if (value === undefined) return;
    const copies = left.get(value);
    if (copies === undefined) return;
    left.set(value, copies - 1);
    if (copies > 0) return;
    violations.push({ rule: "R2", message: `"${value}" is there once too often, at offset ${at}` });
  });
}

/** R4. */
function checkHoles(log: Bounds, appends: readonly AppendAttempt[], violations: Violation[]): void {
  const existedBy = log.existedBy();
  const unknown = new Map<string, number[]>();
  for (const { value, outcome, invokedAt } of appends) {
    if (outcome !== "info") continue;
    const times = unknown.get(value);
    if (times === undefined) unknown.set(value, [invokedAt]);
    else times.push(invokedAt);
  }
  for (const times of unknown.values()) times.sort((a, b) => a - b);

  // Of the attempts that can explain a seen value the latest is taken: the early ones explain more.
  const holes: number[] = [];
  for (let at = 0; at < log.end; at++) {
    if (log.acknowledged[at] === true) continue;
    const value = log.values[at];
    if (value === undefined) {
      holes.push(at);
      continue;
    }
    const times = unknown.get(value) ?? [];
    const place = times.findLastIndex((time) => time < (existedBy[at] as number));
    if (place >= 0) times.splice(place, 1);
    else {
      const message = `"${value}" at offset ${at} has no attempt that could have put it there`;
      violations.push({ rule: "R4", message });
    }
  }
  const left = [...unknown.values()].flat().sort((a, b) => a - b);
  holes.forEach((at, number) => {
    const time = left[number];
    if (time !== undefined && time < (existedBy[at] as number)) return;
    const message = `offset ${at} has no record, and no unanswered append explains it`;
    violations.push({ rule: "R4", message });
  });
}
