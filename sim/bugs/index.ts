/**
 * # bugs: a simulator that finds nothing must prove that it looks
 *
 * Each planted bug is a mistake out of the literature or out of other people's issue trackers, as one
 * substitution in the source. A copy of the tree gets it, and a recorded finder has to find it there:
 * a seed of the simulator, or a script of `sim/scenarios`. Code of bugs is in no build of proglog.
 *
 * Invariants: a substitution fits exactly once, or it is an error, so that no bug is lost silently when
 * the code around it changes; a bug that nothing finds is a hole in the faults or in the checkers.
 */
import type { Bug, Mistake } from "./bug.ts";
import { CORE_BUGS } from "./core-bugs.ts";
import { FOUND_BY } from "./found-by.ts";
import { REPLICA_BUGS } from "./replica-bugs.ts";
import { SERVER_BUGS } from "./server-bugs.ts";

export type { Bug, Finder, Mistake } from "./bug.ts";
export { type Found, sweep, type SweepOptions } from "./sweep.ts";
export { findAgain, plant, type PlantedSimulator } from "./workshop.ts";

export const MISTAKES: readonly Mistake[] = [...CORE_BUGS, ...REPLICA_BUGS, ...SERVER_BUGS];

/** Those that somebody finds, with their finders. */
export const BUGS: readonly Bug[] = MISTAKES.flatMap((mistake) => {
  const foundBy = FOUND_BY[mistake.name];
  return foundBy === undefined ? [] : [{ ...mistake, foundBy }];
});

export function bugNamed(name: string): Bug | undefined {
  return BUGS.find((bug) => bug.name === name);
}
