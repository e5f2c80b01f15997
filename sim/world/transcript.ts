/** Events that are kept to be shown; the hash is over all. */
const KEPT = 200;

type Line = readonly [at: number, what: string, a: number, b: number, c: number];

/**
 * What happened, as a hash over everything and the last lines to read. Numbers are kept as they are
 * and put into words only when somebody asks.
 */
export class Transcript {
  readonly #lines: (Line | undefined)[] = new Array<Line | undefined>(KEPT).fill(undefined);
  readonly #codes: Map<string, number> = new Map();
  #count = 0;
  #low = 0x811c9dc5;
  #high = 0x2b5f3a17;

  get count(): number {
    return this.#count;
  }

  note(at: number, what: string, a: number, b: number, c: number): void {
    let code = this.#codes.get(what);
    if (code === undefined) this.#codes.set(what, (code = hashText(what)));
    this.#mix(code);
    this.#mix(Math.round(at * 1_000));
    this.#mix(a);
    this.#mix(b);
    this.#mix(c);
    this.#lines[this.#count % KEPT] = [at, what, a, b, c];
    this.#count += 1;
  }

  /** 64 bits in hexadecimal. */
  hash(): string {
    const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, "0");
    return hex(this.#high) + hex(this.#low);
  }

  /** The last lines, oldest first. */
  tail(count: number): string[] {
    const from = Math.max(0, this.#count - Math.min(count, KEPT));
    return Array.from({ length: this.#count - from }, (_, i) => {
      const [at, what, a, b, c] = this.#lines[(from + i) % KEPT] as Line;
      return `${(at / 1_000).toFixed(6)} s  ${what} ${a} ${b} ${c}`;
    });
  }

  #mix(value: number): void {
    this.#low = Math.imul(this.#low ^ (value | 0), 0x01000193);
    this.#high = Math.imul(this.#high ^ (value | 0) ^ (this.#low >>> 15), 0x85ebca6b);
  }
}

/** 32 bits of FNV-1a over the characters. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
