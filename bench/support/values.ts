export const VALUE_BYTES = 100;
/** Different values; more than are ever in one batch, and a whole number of batches of 500. */
const VALUES = 4_000;

/**
 * What records hold in every row: the record at offset n has the value `n % 4000`. Made once, so that
 * making them is not what is measured.
 */
export const VALUE_POOL: readonly Buffer[] = Array.from({ length: VALUES }, (_, n) => {
  const value = Buffer.alloc(VALUE_BYTES);
  // A multiplicative generator: no two values share their tail, and none is compressible.
  let word = (n + 1) * 2_654_435_761;
  for (let at = 0; at < VALUE_BYTES; at += 4) {
    word = (Math.imul(word, 1_664_525) + 1_013_904_223) >>> 0;
    value.writeUInt32LE(word, at);
  }
  return value;
});

export function valueOf(sequence: number): Buffer {
  const value = VALUE_POOL[sequence % VALUES];
  if (value === undefined) throw new Error(`there is no value for ${sequence}`);
  return value;
}

/** Compares records with what was sent: content, order and count. */
export class Checker {
  readonly #what: string;
  #next: number;

  /** The next record must be number `first`. */
  constructor(what: string, first = 0) {
    this.#what = what;
    this.#next = first;
  }

  get count(): number {
    return this.#next;
  }

  /** The next record, with its offset where there is one, and its number where that is another. */
  take(value: Uint8Array | null, offset: number = this.#next, sequence: number = offset): void {
    if (offset !== this.#next) {
      throw new Error(`${this.#what}: offset ${offset} came instead of ${this.#next}`);
    }
    if (value === null || Buffer.compare(value, valueOf(sequence)) !== 0) {
      throw new Error(`${this.#what}: record ${offset} has other bytes than were sent`);
    }
    this.#next += 1;
  }

  /** All were there, and no more. */
  end(count: number): void {
    if (this.#next === count) return;
    throw new Error(`${this.#what}: ${this.#next} records came, and ${count} were sent`);
  }
}
