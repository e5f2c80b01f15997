/**
 * # gossip: clusters of members in one process, on a network that loses and a clock turned by hand
 *
 * The real core on a simulated network: packets are lost, delayed and cut off, TCP is slow where packets
 * are lost, processes are killed and paused. One seed gives one run.
 *
 * Left out on purpose: bytes. Messages are handed over as they are, and cost what they would cost.
 */
export {
  Cluster,
  type ClusterOptions,
  SimulatedMember,
  startCluster,
  type Traffic,
} from "./cluster.ts";
export { type SimulatedCodec, simulatedCodec, streamBytes } from "./codec.ts";
export { measureCost, measureMistakes, measureSpeed } from "./measure.ts";
export type { Trouble } from "./measure.ts";
export { Network, type NetworkOptions } from "./network.ts";
