import type { Codec } from "../gossip/index.ts";
import { encodeMessage } from "./gossip-message.ts";
import { decodeSerf, encodeSerf } from "./gossip-serf.ts";
import { decodeTags, encodeTags } from "./gossip-tags.ts";

/** The bytes of memberlist and Serf, for the core. */
export const serfCodec: Codec = {
  encodePacket: encodeMessage,
  encodeSerf,
  decodeSerf,
  encodeTags,
  decodeTags,
};
