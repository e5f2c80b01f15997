import type { Subject } from "../outcome.ts";

/** Who finds a bug, and how it is shown again. */
export type Finder =
  | {
      readonly by: "sim";
      readonly subject: Subject;
      readonly seed: number;
      readonly replicas: number;
      readonly minutes: number;
    }
  /** A script of `sim/scenarios`. */
  | { readonly by: "scenario"; readonly name: string };

/**
 * A mistake that somebody could have made, as a change of the source. It stands nowhere in `src/`: it
 * is put into a copy of the tree, and what runs is the copy.
 */
export interface Mistake {
  readonly name: string;
  /** From the root of the repository. */
  readonly file: string;
  /** Occurs exactly once in the file. */
  readonly find: string;
  readonly replace: string;
  /** What it breaks. */
  readonly why: string;
}

/** A mistake, and who finds it. */
export interface Bug extends Mistake {
  readonly foundBy: Finder;
}
