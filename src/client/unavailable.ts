import type { Metadata } from "@grpc/grpc-js";
import { toServiceError } from "../api/index.ts";
import { ProglogError } from "../base/index.ts";

/**
 * How a call ends that no server could be found for. Nothing of it was sent, and that is said the way
 * a server would say it.
 */
export function unavailableStatus(problems: readonly string[]): {
  readonly code: number;
  readonly details: string;
  readonly metadata: Metadata;
} {
  const message = `no server can be reached (${problems.join("; ")})`;
  return toServiceError(new ProglogError("UNAVAILABLE", message, { notAppended: true }));
}
