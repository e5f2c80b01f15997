import type { Violation } from "./violation.ts";

/** What one consumer was given, in order. A new session begins where the last one ended. */
export interface Session {
  readonly consumer: string;
  /** Where it was to begin. */
  readonly from: number;
  readonly offsets: readonly number[];
}

/** S1, S2: a consumer's offsets are dense, from where it asked; nothing skipped, repeated or turned. */
export function checkSessions(sessions: readonly Session[]): Violation[] {
  const violations: Violation[] = [];
  for (const { consumer, from, offsets } of sessions) {
    const at = offsets.findIndex((offset, i) => offset !== from + i);
    if (at < 0) continue;
    const message = `${consumer} was given offset ${offsets[at] ?? "?"} in place of ${from + at}`;
    violations.push({ rule: "S1", message });
  }
  return violations;
}

/** What a replica holds in the end. */
export interface Holding {
  readonly replica: number;
  /** Offset of its first record. */
  readonly from: number;
  readonly values: readonly string[];
}

/**
 * D1: when everything is healed, all replicas hold the same records up to the same end, and what was
 * acknowledged is among them.
 */
export function checkDrain(
  holdings: readonly Holding[],
  next: number,
  acknowledged: ReadonlyMap<number, string>,
): Violation[] {
  const violations: Violation[] = [];
  const fail = (message: string): void => void violations.push({ rule: "D1", message });
  const starts = new Set(holdings.map(({ from }) => from));
  if (starts.size > 1) fail(`the replicas begin at ${[...starts].join(" and ")}`);
  const known = new Map<number, string>(acknowledged);
  for (const { replica, from, values } of holdings) {
    const end = from + values.length;
    if (end !== next) fail(`${replica} ends at ${end}, the log at ${next}`);
    values.forEach((value, i) => {
      const before = known.get(from + i);
      if (before === undefined) known.set(from + i, value);
      else if (before !== value) {
        fail(`${replica} has "${value}" at ${from + i} where "${before}" was promised or is held`);
      }
    });
  }
  for (const offset of acknowledged.keys()) {
    if (offset >= next) fail(`offset ${offset} was acknowledged, and the log ends at ${next}`);
  }
  return violations;
}

/** One attempt of an idempotent producer that is in the log, or was acknowledged. */
export interface Sequenced {
  readonly producer: string;
  readonly sequence: number;
  readonly offset: number;
}

/** I2 of histories: a producer's records stand in the order of their sequences, without a gap. */
export function checkSequences(records: readonly Sequenced[]): Violation[] {
  const violations: Violation[] = [];
  const next = new Map<string, number>();
  for (const { producer, sequence, offset } of records.toSorted((a, b) => a.offset - b.offset)) {
    const expected = next.get(producer) ?? 0;
    if (sequence !== expected) {
      const message = `${producer} has sequence ${sequence} at offset ${offset}, not ${expected}`;
      violations.push({ rule: "I2", message });
    }
    next.set(producer, sequence + 1);
  }
  return violations;
}

/** What happened in a run, in numbers. */
export interface Tally {
  readonly acknowledged: number;
  readonly appends: number;
  readonly reads: number;
  readonly leaders: number;
}

/** V1: a run in which nothing happened proves nothing. */
export function checkNotVacuous({ acknowledged, appends, reads, leaders }: Tally): Violation[] {
  const violations: Violation[] = [];
  const fail = (message: string): void => void violations.push({ rule: "V1", message });
  if (acknowledged === 0) fail(`none of ${appends} appends was acknowledged`);
  if (appends === 0) fail("nothing was appended");
  if (reads === 0) fail("nothing was read");
  if (leaders === 0) fail("nobody led");
  return violations;
}
