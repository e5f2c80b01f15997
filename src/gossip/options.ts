import type { Random } from "../base/index.ts";
import type { Codec } from "./codec.ts";
import type { Address, Tags, Versions } from "./message.ts";
import type { Profile } from "./profile.ts";

export interface GossipOptions {
  readonly name: string;
  /** Where others reach us, UDP and TCP: the same bytes for the whole life of the process. */
  readonly address: Address;
  readonly tags: Tags;
  readonly profile: Profile;
  /** How much time a `tick()` stands for. 10 in production. */
  readonly tickMs: number;
  readonly random: Random;
  readonly codec: Codec;
  /** Bytes that the codec puts around the parts of a packet: encryption, CRC. See `setPacketOverhead`. */
  readonly packetOverheadBytes?: number;
  /** Default `VERSIONS`. */
  readonly versions?: Versions;
  /** The clocks as they were before a restart, so that old events are not delivered again. */
  readonly clocks?: Clocks;
}

/** The three Lamport clocks. */
export interface Clocks {
  readonly time: number;
  readonly eventTime: number;
  readonly queryTime: number;
}

/** What a query asks; see `Query` for the rest. */
export interface QueryOptions {
  readonly name: string;
  readonly payload: Uint8Array;
  /** Empty or absent: everybody. */
  readonly names?: readonly string[];
  /** Tag to a regular expression that must be found in its value; see `matchesExpression`. */
  readonly tags?: Tags;
  readonly ack?: boolean;
  readonly relayFactor?: number;
  /** Default: 16 rounds of gossip times ceil(log10(members + 1)). */
  readonly timeoutMs?: number;
}

export interface JoinOptions {
  /** User events from before the join are not delivered. */
  readonly ignoreOld?: boolean;
}

/** [pmin, pmax, pcur, dmin, dmax, dcur]: memberlist's protocol 1 to 5 speaking 2, Serf's 2 to 5 speaking 4. */
export const VERSIONS: Versions = Uint8Array.of(1, 5, 2, 2, 5, 4);
