import type { Message, ReplicaId } from "../raft/index.ts";

/** Both ends of a message, and the log it is about. On the wire they are the connection's. */
interface Addressed {
  readonly log: string;
  readonly from: ReplicaId;
  readonly to: ReplicaId;
}

/** A message of the consensus core; `Entry` is the log's shape of an entry. */
export interface RaftEnvelope<Entry> extends Addressed {
  readonly kind: "raft";
  /** Its own `entries`, if it has any, are in the field below instead. */
  readonly message: Message;
  readonly entries: readonly Entry[];
  /** Free space on the sender's disk. */
  readonly freeBytes: number;
}

export interface FetchEntries extends Addressed {
  readonly kind: "fetchEntries";
  readonly request: number;
  readonly fromIndex: number;
  readonly toIndex: number;
}

export interface FetchedEntries<Entry> extends Addressed {
  readonly kind: "fetchedEntries";
  readonly request: number;
  readonly entries: readonly Entry[];
}

/**
 * A question of one server to another that is not about the log's entries: bootstrap, being added, an
 * append that is handed on. What is in it, and which methods there are, is for those who ask.
 */
export interface Call extends Addressed {
  readonly kind: "call";
  /** Comes back in the reply. */
  readonly call: number;
  /** u16. */
  readonly method: number;
  readonly payload: Uint8Array;
}

export interface Reply extends Addressed {
  readonly kind: "reply";
  readonly call: number;
  /** u16; 0 means that it was done. */
  readonly status: number;
  readonly payload: Uint8Array;
}

/** Everything that travels between replicas after the hello. */
export type PeerMessage<Entry> =
  RaftEnvelope<Entry> | FetchEntries | FetchedEntries<Entry> | Call | Reply;

/** The log's shapes as bytes. The log knows them; a link carries them as they are. */
export interface LogWire<Entry> {
  /** Of the header in front of a payload. */
  readonly headerBytes: number;
  /** Writes the header of `entry` at `at`; its payload follows, as it is. */
  writeHeader(into: Uint8Array, at: number, entry: Entry): void;
  /** The entry that begins at `at`, checked, and where it ends. Throws `ProglogError`. */
  read(bytes: Uint8Array, at: number): { readonly entry: Entry; readonly end: number };
  /** What the core calls a snapshot's data. */
  encodeMarker(data: unknown): Uint8Array;
  /** Throws `ProglogError`. */
  decodeMarker(bytes: Uint8Array): unknown;
}

/** Two connections for each direction, so that a heartbeat never waits behind a megabyte. */
export type Lane = "control" | "data";

const DATA: ReadonlySet<string> = new Set([
  "appendEntries",
  "appendEntriesResponse",
  "installSnapshot",
  "propose",
]);

/** Heartbeats, votes and reads on one; appends, catch-up, repair and calls on the other. */
export function laneOf(message: PeerMessage<unknown>): Lane {
  if (message.kind !== "raft") return "data";
  return DATA.has(message.message.kind) ? "data" : "control";
}
