import { limits } from "../base/index.ts";
import type { Span } from "../base/index.ts";
import type { Proposal } from "./proposals.ts";

interface Traced {
  readonly span: Span;
  /** What it waits for now. */
  part: Span | undefined;
  isAgreed: boolean;
}

/**
 * What the appends of sampled calls wait for: a majority (`raft.replicate`), then this replica's own
 * turn to apply and answer (`raft.apply`). Others are not known here, and cost nothing.
 */
export class AppendTraces {
  readonly #open = new Map<Proposal, Traced>();

  /** From now until it is answered; beyond a limit nothing is told of it. */
  begin(proposal: Proposal, span: Span): void {
    if (this.#open.size >= limits.tracedAppendsMax) return;
    this.#open.set(proposal, { span, part: undefined, isAgreed: false });
  }

  /** Some have their place in the log now. */
  decided(): void {
    for (const [{ answer, waitIndex: index }, traced] of this.#open) {
      if (traced.part !== undefined || answer === undefined) continue;
      traced.part = traced.span.child("raft.replicate", { index });
    }
  }

  /** A majority has the log up to `index`. */
  agreed(index: number): void {
    for (const [{ waitIndex }, traced] of this.#open) {
      if (traced.part === undefined || traced.isAgreed || waitIndex > index) continue;
      traced.isAgreed = true;
      traced.part.end();
      traced.part = traced.span.child("raft.apply", { index: waitIndex });
    }
  }

  ended(proposal: Proposal, error?: string): void {
    this.#open.get(proposal)?.part?.end(error);
    this.#open.delete(proposal);
  }
}
