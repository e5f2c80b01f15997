/** Seconds, from what memory answers to what a client gives up on: 100 µs to 10 s. */
export const SECONDS_BOUNDS: readonly number[] = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

/** Of bytes, from a small record to the largest message: 64 B to 4 MiB. */
export const BYTES_BOUNDS: readonly number[] = [
  64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304,
];

/** How many of something came together. */
export const COUNT_BOUNDS: readonly number[] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 5_000];

/**
 * What was measured, counted in buckets of fixed bounds: each holds what is at most its bound and
 * above the one before; the last holds the rest. A few additions for a measurement, since it is done
 * for every call.
 */
export class Distribution {
  readonly bounds: readonly number[];
  readonly counts: Float64Array;
  sum = 0;
  count = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  add(value: number): void {
    const { bounds, counts } = this;
    let bucket = 0;
    while (bucket < bounds.length && value > (bounds[bucket] as number)) bucket++;
    counts[bucket] = (counts[bucket] as number) + 1;
    this.sum += value;
    this.count += 1;
  }
}
