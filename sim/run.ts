import { runCore } from "./core/run.ts";
import type { RunOptions, RunResult, Subject } from "./outcome.ts";
import { runReplica } from "./replica/run.ts";

export type { RunOptions, RunResult, Subject } from "./outcome.ts";

export const SUBJECTS: readonly Subject[] = ["core", "replica"];

/** One run, from its seed. */
export function run(options: RunOptions): Promise<RunResult> {
  return options.subject === "core" ? Promise.resolve(runCore(options)) : runReplica(options);
}
