/** What a proof has counted: numbers by name, such as `kills` or `acknowledged`. */
export type Figures = Readonly<Record<string, number>>;

/**
 * A deep check, too long for every change. It stands in a file `*.prove.ts`, as `export const proof`,
 * beside what it proves; `npm run prove` finds it there.
 */
export interface Proof {
  readonly name: string;
  /** What was done, as a sentence of `docs/proof.md`. */
  readonly title: string;
  /** It is run in so many parts, each alone, in any order: that is what can be resumed. */
  readonly parts: number;
  /**
   * It starts no process, so that what it imports is all that it runs: a change elsewhere does not make
   * its figures old. Without it, every change of `src/` does.
   */
  readonly isInProcess?: true;
  /** Throws at the first violation. Parts must differ, by their number alone. */
  run(part: number): Promise<Figures>;
  /** What was found, as a sentence, from the figures of all parts. */
  summary(parts: readonly Figures[]): string;
}

/** The sum of one figure over all parts. */
export function total(parts: readonly Figures[], name: string): number {
  return parts.reduce((sum, figures) => sum + (figures[name] ?? 0), 0);
}
