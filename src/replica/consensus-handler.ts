import type { ProglogError } from "../base/index.ts";
import type { ReadState } from "../raft/index.ts";
import type { PeerMessage } from "./ports.ts";

/** Who is told what happens, and asked what to do. */
export interface ConsensusHandler {
  /** At each turn, after the input was taken in. */
  turn(): void;
  /** This replica leads, and has nothing to write: decides what waits. */
  decide(): void;
  /** A majority has the log up to `index`; it is applied next. */
  agreed(index: number): void;
  /** More is committed and applied. */
  committed(): void;
  /** Leadership was won, found, or lost. */
  roleChanged(): void;
  confirmed(reads: readonly ReadState[]): void;
  /** The log took back what was not durable, and the core began anew from what is. */
  tookBack(error: ProglogError): void;
  /** The log is dead. */
  died(error: ProglogError): void;
  /** A message that is not the core's. */
  received(message: PeerMessage): void;
  /** Whether nothing may be appended for now. */
  holdsAppends(): boolean;
}
