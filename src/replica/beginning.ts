import type { Configuration } from "../base/index.ts";
import type { HardStateKeeper } from "./hard-state.ts";
import type { ReplicaLog } from "./replica-log.ts";

/**
 * Keeps the configuration that a cluster is made with. No entry tells it, so the log's prefix has to:
 * whoever comes when the beginning was let go of is given that in its place, and a prefix that knows of
 * nobody is none.
 */
export async function writeBeginning(
  log: Pick<ReplicaLog, "lastIndex" | "prefixMarker" | "reset">,
  hard: HardStateKeeper,
  configuration: Configuration,
): Promise<void> {
  const prefix = log.lastIndex === 0 ? await log.prefixMarker() : undefined;
  if (prefix === undefined) {
    await hard.saveConfiguration(0, configuration);
    return;
  }
  await hard.idle();
  await log.reset({ ...prefix, configuration, configurationIndex: 0 });
  hard.reload();
}
