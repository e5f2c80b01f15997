/**
 * Lifeguard's suspicion: it starts long, and each other member that independently suspects the same
 * shortens it. So a slow accuser alone cannot kill quickly, and a real death is agreed upon soon.
 * (Lifeguard, section IV-B.)
 */

/** The shortest suspicion, in ms: grows with the logarithm of the cluster, as news do. */
export function suspicionMinMs(
  multiplier: number,
  membersCount: number,
  probeIntervalMs: number,
): number {
  return multiplier * Math.max(1, Math.log10(Math.max(1, membersCount))) * probeIntervalMs;
}

/** Confirmations that make a suspicion shortest; none are waited for where there are not enough others. */
export function confirmationsExpected(multiplier: number, membersCount: number): number {
  const expected = multiplier - 2;
  return membersCount - 2 < expected ? 0 : expected;
}

/** How long a suspicion lasts, from its beginning, after `confirmations` of others. */
export function suspicionMs(
  confirmations: number,
  expected: number,
  minMs: number,
  maxMs: number,
): number {
  if (expected < 1) return minMs;
  const share = Math.log(confirmations + 1) / Math.log(expected + 1);
  return Math.max(minMs, Math.floor(maxMs - share * (maxMs - minMs)));
}

/** Who suspects a member. Time is kept by the caller. */
export class Suspicion {
  readonly startTick: number;
  readonly expected: number;
  readonly #accusers: Set<string>;

  constructor(startTick: number, from: string, expected: number) {
    this.startTick = startTick;
    this.expected = expected;
    this.#accusers = new Set([from]);
  }

  get confirmations(): number {
    return this.#accusers.size - 1;
  }

  /** False: it was counted before, or enough were counted. */
  confirm(from: string): boolean {
    if (this.confirmations >= this.expected || this.#accusers.has(from)) return false;
    this.#accusers.add(from);
    return true;
  }
}
