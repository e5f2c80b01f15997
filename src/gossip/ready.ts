/** What the core wants done, and what it tells. The driver does it in any order; nothing is repeated. */
import type {
  Address,
  MemberStatus,
  PacketMessage,
  Source,
  StreamMessage,
  Tags,
  UserEvent,
  Versions,
} from "./message.ts";

export interface OutgoingPacket {
  readonly to: Address;
  /** The receiver, when it is known; its `pmax` decides whether it is sent a CRC. */
  readonly name: string;
  /** Protocol versions of the receiver; undefined when it is not a known member. */
  readonly versions: Versions | undefined;
  /** Encoded messages. More than one makes a compound; together they fit into the packet's budget. */
  readonly parts: readonly Uint8Array[];
}

/** Open a TCP stream, send one message, and `step` its reply or its failure, exactly once. */
export interface OutgoingStream {
  /** The core's number for it. */
  readonly stream: number;
  readonly to: Address;
  readonly message: StreamMessage;
  /** From dialling to the last byte of the reply. */
  readonly timeoutMs: number;
}

/** An answer on a stream that a peer opened, after which the stream is closed. */
export interface StreamReply {
  /** The driver's number for it. */
  readonly stream: number;
  /** Undefined: nothing is answered. */
  readonly message: StreamMessage | undefined;
}

/** A member as the outside sees it. */
export interface Member {
  readonly name: string;
  readonly address: Address;
  readonly tags: Tags;
  readonly status: MemberStatus;
  readonly versions: Versions;
}

export type KeyOperation = "install" | "use" | "remove" | "list";

/** A query that somebody asked of us; whoever answers hands it back. */
export interface IncomingQuery {
  readonly time: number;
  readonly id: number;
  readonly name: string;
  readonly payload: Uint8Array;
  readonly from: string;
  readonly source: Source;
  readonly relayFactor: number;
  /** After this tick an answer is refused. */
  readonly deadlineTick: number;
}

/** `leave` said good-bye, `failed` did not; `reap`: it is forgotten. */
export type MemberEventKind = "join" | "update" | "leave" | "failed" | "reap";

export type GossipEvent =
  | { readonly kind: MemberEventKind; readonly member: Member }
  | { readonly kind: "user"; readonly event: UserEvent }
  | { readonly kind: "query"; readonly query: IncomingQuery }
  /** A key query from the cluster: the driver changes its keyring and calls `respondKey`. */
  | {
      readonly kind: "key-request";
      readonly query: IncomingQuery;
      readonly operation: KeyOperation;
      /** Empty for `list`. */
      readonly key: Uint8Array;
    }
  /** Answers to our own query; its number is what `query()` returned. */
  | { readonly kind: "query-ack"; readonly query: number; readonly from: string }
  | {
      readonly kind: "query-response";
      readonly query: number;
      readonly from: string;
      readonly payload: Uint8Array;
    }
  | { readonly kind: "query-done"; readonly query: number }
  /** The end of a `join()`: the peer replied, and its members were merged. No proof that it merged ours. */
  | { readonly kind: "joined"; readonly join: number; readonly membersCount: number }
  | { readonly kind: "join-failed"; readonly join: number; readonly text: string }
  /** The leave was told to the others, and was followed by a while of answering: the sockets may close. */
  | { readonly kind: "left" }
  /** Another address claims the name of a member that is believed to live. At most one a second is told. */
  | { readonly kind: "conflict"; readonly name: string; readonly claimed: Address }
  /** Another member has our name, the majority's word, and answers there: the agent must stop. */
  | { readonly kind: "conflict-lost"; readonly membersFor: number; readonly membersAsked: number }
  /** A probe was answered: by packet, directly or through others. */
  | { readonly kind: "probed"; readonly name: string; readonly latencyTicks: number }
  /** A member was suspected, by us or by others. */
  | { readonly kind: "suspected"; readonly name: string; readonly from: string }
  /** The probe's packets got lost, and its TCP ping did not: somebody's UDP is broken. */
  | { readonly kind: "tcp-only"; readonly name: string };

/** Things that are counted: what we did, and what we did not believe. */
export type CountName =
  | "probe_failed"
  | "refuted"
  | "member_name_invalid"
  | "member_limit"
  | "address_refused"
  | "versions_refused"
  | "address_conflict"
  | "name_conflict"
  | "incarnation_refused"
  | "time_refused"
  | "meta_refused"
  | "event_too_old"
  | "event_limit"
  | "query_too_old"
  | "query_limit"
  | "query_filter_refused"
  | "response_unknown"
  | "relay_limit"
  | "intent_limit"
  | "queue_limit"
  | "push_pull_refused"
  | "stream_refused";

export interface Ready {
  readonly packets: readonly OutgoingPacket[];
  readonly streams: readonly OutgoingStream[];
  readonly replies: readonly StreamReply[];
  readonly events: readonly GossipEvent[];
  readonly counts: Readonly<Partial<Record<CountName, number>>>;
}

/** What the driver tells the core. */
export type Input =
  /** A UDP packet, decoded and taken apart. */
  | {
      readonly kind: "packet";
      readonly from: Address;
      readonly messages: readonly PacketMessage[];
    }
  /** The one message of a TCP stream that a peer opened. Answered in the next `Ready`, exactly once. */
  | {
      readonly kind: "stream";
      readonly stream: number;
      readonly from: Address;
      readonly message: StreamMessage;
    }
  /** The reply on a stream that the core wanted. */
  | { readonly kind: "stream-reply"; readonly stream: number; readonly message: StreamMessage }
  | { readonly kind: "stream-failed"; readonly stream: number; readonly text: string };
