import { ProglogError } from "../base/index.ts";
import type { ProducerBatch } from "./producer-codec.ts";
import type { ProducerTable } from "./producers.ts";
import type { Content, Proposal } from "./proposals.ts";

/** What holds while one group of proposals is decided. */
export interface Turn {
  readonly term: number;
  readonly committedIndex: number;
  /** Milliseconds since 1970; not less than the last entry's. */
  readonly appendedAt: number;
  /** Why nothing may be added now, if so. */
  readonly admission: ProglogError | undefined;
  /** There are others who might lead by now: a refusal waits until they have said that they do not. */
  readonly confirmsRefusals: boolean;
}

/** The log as it stands at a decision, its uncommitted tail included. */
export interface Tail {
  readonly lastIndex: number;
  readonly nextOffset: number;
}

export type Decision =
  | { readonly kind: "append" }
  /** It is in the log already: the caller gets the place of the first attempt. */
  | { readonly kind: "repeat"; readonly batch: ProducerBatch }
  /** Not at all; to be told once the entry at `waitIndex`, by which it was decided, is committed. */
  | { readonly kind: "refuse"; readonly error: ProglogError; readonly waitIndex: number };

const APPEND: Decision = { kind: "append" };

/**
 * Decides about one proposal. A repetition is recognised even when nothing may be added, since
 * nothing will be; the offset expected is asked for last, since it speaks of what would be added.
 */
export function decide(
  proposal: Proposal,
  turn: Turn,
  { lastIndex, nextOffset }: Tail,
  producers: ProducerTable,
): Decision {
  const { content, stamp, expectedOffset, stream } = proposal;
  if (stream?.failed !== undefined) {
    return { kind: "refuse", error: followsFailure(stream.failed), waitIndex: 0 };
  }
  if (stamp !== undefined) {
    const recordCount = content.kind === "batch" ? content.recordCount : 1;
    const known = producers.decide(stamp, recordCount, turn.committedIndex);
    if (known.kind === "duplicate") return { kind: "repeat", batch: known.batch };
    if (known.kind === "refuse") {
      return { kind: "refuse", error: known.error, waitIndex: lastIndex };
    }
  }
  if (turn.admission !== undefined && isNewData(content)) {
    return { kind: "refuse", error: turn.admission, waitIndex: 0 };
  }
  if (expectedOffset !== undefined && expectedOffset !== nextOffset) {
    const error = offsetMismatch(expectedOffset, nextOffset);
    return { kind: "refuse", error, waitIndex: lastIndex };
  }
  return APPEND;
}

/** Data takes room for ever; what makes room, or keeps the log in order, may use the reserve. */
function isNewData({ kind }: Content): boolean {
  return kind !== "logStart";
}

function offsetMismatch(expected: number, next: number): ProglogError {
  return new ProglogError(
    "OFFSET_MISMATCH",
    `the next offset is ${next}, and the append was for ${expected}`,
    { details: { expected: String(expected), next: String(next) }, notAppended: true },
  );
}

/** The same error for what stands behind a failed append on its stream; this one was not tried. */
function followsFailure({ code, message, details }: ProglogError): ProglogError {
  return new ProglogError(code, message, { details, notAppended: true });
}
