import type { Address, KeyResponse, Tags } from "./message.ts";
import type { Clocks, JoinOptions, QueryOptions } from "./options.ts";
import type { IncomingQuery, Input, Member, Ready } from "./ready.ts";

/** Gauges: what a metrics page or `serf info` shows. */
export interface GossipStatus {
  readonly membersByStatus: Readonly<Record<Member["status"], number>>;
  /** 0 is healthy; see `Awareness`. */
  readonly healthScore: number;
  readonly incarnation: number;
  readonly suspicionsCount: number;
  readonly memberQueueLength: number;
  readonly intentQueueLength: number;
  readonly eventQueueLength: number;
  readonly queryQueueLength: number;
  readonly clocks: Clocks;
  readonly phase: "alive" | "leaving" | "left";
}

/**
 * The core of membership: `new Gossip(options: GossipOptions)` is one of these. Synchronous, without a
 * clock, without I/O; after each call the driver takes `ready()` and does what it says.
 */
export interface GossipCore {
  /** Takes one input. Whatever a peer sent, it does not throw. */
  step(input: Input): void;
  /**
   * `tickMs` have passed. A driver that was held up calls it once for a turn of its loop, after it
   * has read its sockets, and does not catch up: what others could not tell us must not count
   * against them.
   */
  tick(): void;
  /** Everything to be done since the last call. */
  ready(): Ready;

  /** Everybody known, ourselves included, sorted by name. */
  members(): readonly Member[];
  status(): GossipStatus;

  /** Exchanges states with whoever is at `to`; ends as event `joined` or `join-failed` of that number. */
  join(to: Address, options?: JoinOptions): number;
  /** Begins the graceful leave; its end is the event `left`. Terminal: this object does not join again. */
  leave(): void;
  /** Throws `INVALID_ARGUMENT` when the encoded tags are too long. */
  setTags(tags: Tags): void;
  /** Throws `INVALID_ARGUMENT` when name and payload are too long. */
  userEvent(name: string, payload: Uint8Array, coalesce?: boolean): void;
  /** The number of the query in the events to come. Throws `INVALID_ARGUMENT`, `RESOURCE_EXHAUSTED`. */
  query(options: QueryOptions): number;
  /** Answers a query of somebody, once. Throws `DEADLINE_EXCEEDED`, `INVALID_ARGUMENT`. */
  respond(query: IncomingQuery, payload: Uint8Array): void;
  respondKey(query: IncomingQuery, response: KeyResponse): void;
  /** Tells everybody that a failed member has left for good. False: it is unknown. */
  forceLeave(name: string, prune?: boolean): boolean;
  /** After a change of the keyring. */
  setPacketOverhead(bytes: number): void;
}
