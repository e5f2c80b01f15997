import type { Clock, Random } from "../base/index.ts";
import type { Membership } from "../membership/index.ts";
import type { PeerDial } from "../transport/index.ts";
import type { Security } from "./security.ts";

/**
 * What a server among others has of the world besides its disk and its gossip. Each is the real one
 * where it is absent; under simulation all of it is the simulator's.
 */
export interface AgentPorts {
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
  /** Runs a task soon, after the input that is there already. */
  readonly schedule?: ((task: () => void) => void) | undefined;
  /** How other servers are dialled. Absent: as the certificates say. */
  readonly dial?: PeerDial | undefined;
}

/** Certificates, as far as they tell who may be at the other end of a link. */
export type PeerSecurity = Pick<Security, "context" | "dialContext" | "peerOf">;

/** Gossip, as far as it tells who is there. */
export type MembersSeen = Pick<Membership, "name" | "members" | "subscribe">;
