/**
 * # world: time, chance and the network of a simulated run
 *
 * One seed gives one run. `World` keeps virtual time, in which nothing takes as long as it takes but
 * only as long as somebody says; `Network` carries messages, badly; a `Swarm` is the mixture of faults
 * that a run draws for itself. A `Process` has several lives, in which it may stand still.
 *
 * Invariants: nothing here asks the machine for time or chance; what happens at the same moment happens
 * in the order in which it was scheduled; everything noted is in the transcript's hash.
 */
export { Network, type NetworkOptions } from "./network.ts";
export { Process } from "./process.ts";
export { drawSwarm, type Swarm } from "./swarm.ts";
export { hashText } from "./transcript.ts";
export { Turn } from "./turn.ts";
export { World } from "./world.ts";
