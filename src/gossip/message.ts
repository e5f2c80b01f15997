/**
 * Every message of memberlist and of Serf, as plain objects. Their bytes are the codec's business
 * (`transport/gossip-codec.ts`); field by field they are the wire's, under our names.
 *
 * Bytes stay bytes: addresses are 4 or 16 bytes exactly as they were received, because peers compare
 * them bytewise; `meta` is the encoded tags exactly as their owner sent them, for the same reason.
 */

/** Where packets go: the bytes of an IPv4 (4, or 16 when mapped) or IPv6 address (16), and a port. */
export interface Address {
  readonly ip: Uint8Array;
  readonly port: number;
}

/** What memberlist says of a member. `dead` was found by others, `left` it said itself. */
export type MemberState = "alive" | "suspect" | "dead" | "left";

/** What Serf says of a member. */
export type MemberStatus = "alive" | "leaving" | "left" | "failed";

/** Protocol versions: [pmin, pmax, pcur, dmin, dmax, dcur]; anything but six bytes is refused. */
export type Versions = Uint8Array;

export type Tags = Readonly<Record<string, string>>;

/** Who asks, when it said so itself; otherwise the packet's source is answered. */
export interface Source extends Address {
  readonly name: string;
}

export interface Ping {
  readonly kind: "ping";
  readonly sequence: number;
  /** Whom the sender means; empty means whoever is there. */
  readonly name: string;
  readonly source?: Source;
}

export interface IndirectPing {
  readonly kind: "indirect-ping";
  readonly sequence: number;
  readonly target: Address;
  readonly name: string;
  /** The requester understands a nack. */
  readonly nack: boolean;
  readonly source?: Source;
}

export interface Ack {
  readonly kind: "ack";
  readonly sequence: number;
  /** Serf's network coordinates; null is legal, and what we send. */
  readonly payload: Uint8Array | null;
}

export interface Nack {
  readonly kind: "nack";
  readonly sequence: number;
}

export interface Suspect {
  readonly kind: "suspect";
  readonly incarnation: number;
  readonly name: string;
  readonly from: string;
}

export interface Alive {
  readonly kind: "alive";
  readonly incarnation: number;
  readonly name: string;
  readonly address: Address;
  readonly meta: Uint8Array;
  readonly versions: Versions;
}

export interface Dead {
  readonly kind: "dead";
  readonly incarnation: number;
  readonly name: string;
  /** The accuser; the member itself when it leaves. */
  readonly from: string;
}

/** Serf's messages travel in this one. */
export interface User {
  readonly kind: "user";
  readonly message: SerfMessage;
}

/** What a UDP packet may hold; compounds are taken apart by the codec, in the order of the wire. */
export type PacketMessage = Ping | IndirectPing | Ack | Nack | Suspect | Alive | Dead | User;

/** One row of a push/pull. */
export interface MemberRow {
  readonly name: string;
  readonly address: Address;
  readonly meta: Uint8Array;
  readonly incarnation: number;
  readonly state: MemberState;
  readonly versions: Versions;
}

export interface PushPull {
  readonly kind: "push-pull";
  readonly join: boolean;
  readonly members: readonly MemberRow[];
  /** Absent from a plain memberlist peer, or when it could not be decoded. */
  readonly serf?: SerfState;
}

/** The reason why the other side did not answer as asked. */
export interface StreamError {
  readonly kind: "error";
  readonly text: string;
}

/** What a TCP stream may hold, in either direction. */
export type StreamMessage = PushPull | Ping | Ack | User | StreamError;

export interface LeaveIntent {
  readonly kind: "leave-intent";
  readonly time: number;
  readonly name: string;
  /** Forget the member at once. */
  readonly prune: boolean;
}

export interface JoinIntent {
  readonly kind: "join-intent";
  readonly time: number;
  readonly name: string;
}

/** The user state of a push/pull. Times are Lamport's. */
export interface SerfState {
  readonly kind: "serf-state";
  readonly time: number;
  readonly statusTimes: ReadonlyMap<string, number>;
  readonly leftNames: readonly string[];
  readonly eventTime: number;
  /** Empty slots are left out. */
  readonly events: readonly EventSlot[];
  readonly queryTime: number;
}

/** User events of the same Lamport time. */
export interface EventSlot {
  readonly time: number;
  readonly events: readonly { readonly name: string; readonly payload: Uint8Array }[];
}

export interface UserEvent {
  readonly kind: "user-event";
  readonly time: number;
  readonly name: string;
  readonly payload: Uint8Array;
  /** Receivers may deliver only the newest of a name. */
  readonly coalesce: boolean;
}

/** Whom a query is for: every filter must match. */
export type QueryFilter =
  | { readonly kind: "names"; readonly names: readonly string[] }
  | { readonly kind: "tag"; readonly tag: string; readonly expression: string };

export interface Query {
  readonly kind: "query";
  readonly time: number;
  readonly id: number;
  /** Where answers go. */
  readonly source: Source;
  readonly filters: readonly QueryFilter[];
  /** Flag 1: every receiver confirms. */
  readonly ack: boolean;
  /** Flag 2: not to be gossiped on. */
  readonly noBroadcast: boolean;
  /** Answers are also sent through so many others. */
  readonly relayFactor: number;
  /** The wire has nanoseconds. */
  readonly timeoutMs: number;
  readonly name: string;
  readonly payload: Uint8Array;
}

export interface QueryResponse {
  readonly kind: "query-response";
  readonly time: number;
  readonly id: number;
  readonly from: string;
  /** Flag 1: a confirmation without a payload. */
  readonly ack: boolean;
  readonly payload: Uint8Array;
}

/** Asks the receiver to send a message on, as a user message. */
export interface Relay {
  readonly kind: "relay";
  readonly destination: Source;
  readonly message: Exclude<SerfMessage, Relay>;
}

/** The payload of an answer to `_serf_conflict`. */
export interface ConflictResponse {
  readonly kind: "conflict-response";
  /** Null: the responder does not know the member. */
  readonly member: {
    readonly name: string;
    readonly address: Address;
    readonly tags: Tags;
    readonly status: MemberStatus;
    readonly versions: Versions;
  } | null;
}

/** The payload of `_serf_install-key`, `_serf_use-key`, `_serf_remove-key`; `_serf_list-keys` has none. */
export interface KeyRequest {
  readonly kind: "key-request";
  readonly key: Uint8Array;
}

/** The payload of an answer to a key query. */
export interface KeyResponse {
  readonly kind: "key-response";
  readonly ok: boolean;
  readonly text: string;
  /** As the wire has them: base64. */
  readonly keys: readonly string[];
  readonly primaryKey: string;
}

export type SerfMessage =
  | LeaveIntent
  | JoinIntent
  | UserEvent
  | Query
  | QueryResponse
  | Relay
  | ConflictResponse
  | KeyRequest
  | KeyResponse;

/** What the core hands to the codec. */
export type Message = PacketMessage | SerfMessage;
