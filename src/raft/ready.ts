import type { Entry, ReplicaId } from "./entry.ts";
import type { Message, StorageResponse } from "./message.ts";
import type { HardState, Snapshot } from "./storage.ts";

export type RoleName = "follower" | "preCandidate" | "candidate" | "leader";

/** Worth knowing, never worth storing. */
export interface SoftState {
  /** 0: nobody is known to lead. */
  readonly leader: ReplicaId;
  readonly role: RoleName;
}

/** The log up to `index` may be read for `readId` as soon as it is applied. */
export interface ReadState {
  readonly readId: number;
  readonly index: number;
}

/** For the storage worker: make all of it durable, in the order of tasks, then let `responses` go. */
export interface StorageAppend {
  /** Only when it changed. */
  readonly hardState: HardState | undefined;
  readonly entries: readonly Entry[];
  readonly snapshot: Snapshot | undefined;
  readonly responses: readonly StorageResponse[];
}

/** For the applying worker: apply in order, then let `responses` go. */
export interface StorageApply {
  readonly entries: readonly Entry[];
  readonly responses: readonly StorageResponse[];
}

/**
 * What a driver does next. With synchronous storage, from top to bottom: make `hardState`, then
 * `snapshot` or `entries` durable (fsynced, when `mustSync`); send `messages`; apply
 * `committedEntries`; call `advance()`.
 *
 * With asynchronous storage: send `messages` at once and hand `storageAppend` and `storageApply` to
 * their workers. The fields above them say the same, for the eye; there is no `advance()`.
 */
export interface Ready {
  /** Only when it changed, as `hardState`. */
  readonly softState: SoftState | undefined;
  readonly hardState: HardState | undefined;
  readonly readStates: readonly ReadState[];
  /** To append, after cutting what storage has from the first one's index on. */
  readonly entries: readonly Entry[];
  /** To install before anything else; the log then begins after it. */
  readonly snapshot: Snapshot | undefined;
  /** Never handed out twice in one life of a replica. */
  readonly committedEntries: readonly Entry[];
  /** In synchronous mode they leave only after everything above is durable. */
  readonly messages: readonly Message[];
  /** Whether `hardState` and `entries` need an fsync; a newer commit alone does not. */
  readonly mustSync: boolean;
  readonly storageAppend: StorageAppend | undefined;
  readonly storageApply: StorageApply | undefined;
}
