/**
 * # gossip: who is there, decided without a clock and without a socket
 *
 * Members tell each other who they are, whether they answer, and what happened. The lower half is SWIM
 * with Lifeguard, as memberlist speaks it: probing, suspicion, refutation. The upper half is Serf:
 * joins and leaves that are told apart from crashes, tags, events, queries.
 *
 * Everything here is a function of its inputs: `step` takes a packet or the end of a stream, `tick`
 * lets time pass, `ready` hands out packets, streams and events. Chance is a parameter, bytes are made
 * by a codec that is one too.
 */
export type { Codec } from "./codec.ts";
export { matchesExpression } from "./expression.ts";
export { Gossip, type GossipStatus } from "./gossip.ts";
export type * from "./message.ts";
export {
  type Clocks,
  type GossipOptions,
  type JoinOptions,
  type QueryOptions,
  VERSIONS,
} from "./options.ts";
export { type Profile, type ProfileName, PROFILES } from "./profile.ts";
export type * from "./ready.ts";
