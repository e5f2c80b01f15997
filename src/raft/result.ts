import type { ReplicaId } from "./entry.ts";
import type { RefusalReason } from "./event.ts";

/** What became of proposals. */
export type ProposeResult =
  /** In the leader's log, not yet durable: the first of them has this index and term. */
  | { readonly kind: "appended"; readonly index: number; readonly term: number }
  /** Handed on; whether it arrives, nobody says. */
  | { readonly kind: "forwarded"; readonly to: ReplicaId }
  | { readonly kind: "refused"; readonly reason: RefusalReason };

/** A read: its id comes back in `Ready.readStates`, or never, when the leader is lost. */
export type ReadIndexResult =
  | { readonly kind: "started"; readonly readId: number }
  | { readonly kind: "refused"; readonly reason: RefusalReason };

/** Whether a message was taken; a refused one changed nothing, and was told to the observer. */
export type StepResult =
  { readonly kind: "accepted" } | { readonly kind: "refused"; readonly reason: RefusalReason };

/** A payload that a client wants in the log, with its weight against limits. */
export interface Proposal {
  readonly payload: unknown;
  readonly sizeBytes: number;
}
