import type { PacketMessage, SerfMessage, Tags } from "./message.ts";

/**
 * The bytes of messages, as the core needs them: how much fits into a packet is decided by exact
 * lengths. Pure functions of their arguments; `transport` has the real ones, tests have their own.
 */
export interface Codec {
  /** Type byte and body, as they stand alone in a packet or as a part of a compound. */
  encodePacket(message: PacketMessage): Uint8Array;
  /** A Serf message without an envelope: what a query or a response carries as its payload. */
  encodeSerf(message: SerfMessage): Uint8Array;
  /** The inverse; undefined for anything that is none. Never throws. */
  decodeSerf(bytes: Uint8Array): SerfMessage | undefined;
  /** A member's `meta`. Called once per change of our own tags, because the order of keys is free. */
  encodeTags(tags: Tags): Uint8Array;
  /** Never throws: what is not a map of strings is the tag `role`, as in Serf's first version. */
  decodeTags(meta: Uint8Array): Tags;
}
