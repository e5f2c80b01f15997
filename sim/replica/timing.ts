import { limits } from "../../src/base/index.ts";
import type { ReplicaTiming } from "../../src/replica/index.ts";

/** The beat of replicas whose ticks last so long. */
export function timingOf(tickMs: number): ReplicaTiming {
  const per = limits.tickMs / tickMs;
  return {
    tickMs,
    heartbeatTicks: Math.round(limits.heartbeatTicks * per),
    electionTimeoutTicks: Math.round(limits.electionTimeoutTicks * per),
  };
}
