/**
 * # faults: what goes wrong, when, and for how long
 *
 * The *nemesis* draws from the mixture of a run (`Swarm`) when which fault happens, does it to a
 * `Target`, and undoes it some time later. It knows machines and links, and nothing of what runs on
 * them, so that the core alone and the whole replica suffer the same.
 *
 * Invariant: the *fault atlas*. Loss and damage of disks hit a minority of voters at a time; the next
 * one waits until the last is whole again. More is beyond any promise.
 */
export { Nemesis } from "./nemesis.ts";
export type { Target } from "./target.ts";
