import { runCore } from "./core/run.ts";
import type { RunOptions, RunResult, Subject } from "./outcome.ts";
import { runReplica } from "./replica/run.ts";

export type { RunOptions, RunResult, Subject } from "./outcome.ts";

export const SUBJECTS: readonly Subject[] = ["core", "replica", "cluster"];

/** One run, from its seed. */
export async function run(options: RunOptions): Promise<RunResult> {
  switch (options.subject) {
    case "core":
      return runCore(options);
    case "replica":
      return runReplica(options);
    case "cluster": {
      // Whole servers are much to load, and most runs are of less.
      const { runCluster } = await import("./cluster/index.ts");
      return runCluster(options);
    }
  }
}
