import { ProglogError } from "../base/index.ts";
import type { DamagedRange } from "./scan.ts";

/** A damaged fence alone loses nothing. */
export function isLoss(range: DamagedRange): boolean {
  return range.fence === undefined;
}

export function unreadable(cause: unknown): ProglogError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new ProglogError("DATA_LOSS", `the disk does not give back what it holds: ${reason}`, {
    cause,
  });
}
