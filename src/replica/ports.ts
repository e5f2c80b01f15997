import type { Clock, ConfigurationMember, Observer, Random } from "../base/index.ts";
import type { Entry } from "../log/index.ts";
import type { Message, ReplicaId } from "../raft/index.ts";

/** Both ends of a message, and the log it is about. */
interface Addressed {
  readonly log: string;
  readonly from: ReplicaId;
  readonly to: ReplicaId;
}

/** A message of the core. */
export interface RaftEnvelope extends Addressed {
  readonly kind: "raft";
  /** Its own `entries`, if it is an append, are in the field below instead. */
  readonly message: Message;
  /** As they are in the sender's log, or will be: the next ones after the message's place. */
  readonly entries: readonly Entry[];
  /** Free space on the sender's disk; a leader admits nothing that a voter has no room for. */
  readonly freeBytes: number;
}

/** "Give me what I lost." Answered only with what is committed, and was checked once more. */
export interface FetchEntries extends Addressed {
  readonly kind: "fetchEntries";
  /** Comes back in the answer. */
  readonly request: number;
  readonly fromIndex: number;
  readonly toIndex: number;
}

export interface FetchedEntries extends Addressed {
  readonly kind: "fetchedEntries";
  readonly request: number;
  /** From `fromIndex` on, as many as fit into one message; none: not here. */
  readonly entries: readonly Entry[];
}

/** Everything that replicas say to each other about a log. */
export type PeerMessage = RaftEnvelope | FetchEntries | FetchedEntries;

/**
 * The links to the other replicas. Messages may be lost, doubled, delayed and change places; what
 * matters is said again. What comes in is given to `Replica.receive`; a message that could not be
 * handed to the other side may be told with `Replica.unreachable`.
 */
export interface Peers {
  /** Takes a message on its way, without waiting; what does not fit into the link is dropped. */
  send(message: PeerMessage): void;
  /** Whom to have links to, from now on; without this replica itself. */
  connect(members: readonly ConfigurationMember[]): void;
}

/** What a replica has of the world besides its log: under simulation all of it is the simulator's. */
export interface ReplicaPorts {
  readonly peers: Peers;
  readonly clock: Clock;
  readonly random: Random;
  readonly observer: Observer;
  /** Runs a task soon, after the input that is there already. */
  readonly schedule: (task: () => void) => void;
}

/** Nobody to talk to: a log on one server. */
export const noPeers: Peers = { send: () => undefined, connect: () => undefined };
