import type { Violation } from "./checkers/index.ts";
import type { World } from "./world/index.ts";

/** What is simulated: the deciding core on a simulated disk, the replica with loop and engine, or servers. */
export type Subject = "core" | "replica" | "cluster";

export interface RunOptions {
  readonly seed: number;
  readonly subject: Subject;
  readonly replicas: number;
  /** How long the storm lasts, in simulated time. */
  readonly minutes: number;
  /** The event loop has its turn after every event; without, some seeds decide so. Changes no transcript. */
  readonly isStrict?: boolean;
}

export interface RunResult {
  readonly simulatedMs: number;
  readonly violations: readonly Violation[];
  /** Hash over everything that happened. */
  readonly transcript: string;
  /** The last events, when something was violated. */
  readonly lastEvents: readonly string[];
  readonly events: number;
  readonly appends: number;
  readonly acknowledged: number;
  readonly leaders: number;
}

/** Healed for so long, everybody must have come to agree. */
export const CONVERGENCE_MS = 30_000;

const LINES_SHOWN = 60;

/** The parts of a result that every subject has. */
export function outcomeOf(
  world: World,
  violations: readonly Violation[],
): Pick<RunResult, "simulatedMs" | "violations" | "transcript" | "lastEvents"> {
  return {
    simulatedMs: world.nowMs,
    violations,
    transcript: world.transcript.hash(),
    lastEvents: violations.length > 0 ? world.transcript.tail(LINES_SHOWN) : [],
  };
}

/** A violated rule out of something that was thrown. */
export function violationOf(error: unknown): Violation {
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { rule: "assertion", message };
}
