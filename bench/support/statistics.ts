/** Of an unsorted list, which must not be empty; `share` is 0.5 for the median. */
export function percentile(values: ArrayLike<number>, share: number): number {
  const sorted = Float64Array.from(values).sort();
  const at = Math.min(sorted.length - 1, Math.max(0, Math.ceil(sorted.length * share) - 1));
  const found = sorted[at];
  if (found === undefined) throw new Error("there is no percentile of nothing");
  return found;
}

export function median(values: readonly number[]): number {
  const upper = percentile(values, 0.5);
  if (values.length % 2 === 1) return upper;
  const sorted = values.toSorted((a, b) => a - b);
  return (upper + (sorted[values.length / 2] ?? upper)) / 2;
}

export interface Paired {
  readonly value: number;
  readonly limit: number;
  readonly ratio: number;
}

/**
 * Measures both sides in turn, A B A B …, and answers with the medians and the median of the ratios
 * of neighbours: machines drift, and neighbours drift together. One pair before that warms up.
 */
export async function inPairs(
  pairs: number,
  ours: (round: number) => Promise<number>,
  theirs: (round: number) => Promise<number>,
): Promise<Paired> {
  const values: number[] = [];
  const limits: number[] = [];
  const ratios: number[] = [];
  for (let round = 0; round <= pairs; round++) {
    const value = await ours(round);
    const limit = await theirs(round);
    if (round === 0) continue;
    values.push(value);
    limits.push(limit);
    ratios.push(value / limit);
  }
  return { value: median(values), limit: median(limits), ratio: median(ratios) };
}

/** So many of something a second. */
export async function rateOf(count: number, work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return (count * 1000) / (performance.now() - startMs);
}
