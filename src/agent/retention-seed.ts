import { ProglogError } from "../base/index.ts";
import type { Observer } from "../base/index.ts";
import type { Replica, RetentionRule } from "../replica/index.ts";

/**
 * The settings give a new log its first rule of retention; from then on the log has one of its own, the
 * same on all servers, which `cluster set` changes. A log that was begun keeps what it has, and where
 * the settings say something else, that is told.
 */
export async function seedRetention(
  replica: Replica,
  wanted: RetentionRule,
  observer: Observer,
): Promise<void> {
  const { retentionBytes, retentionMs } = wanted;
  if (retentionBytes === 0 && retentionMs === 0) return;
  const rule = { retentionBytes, retentionMs };
  if (!isNew(replica)) {
    tellIfOther(replica.retention, rule, observer);
    return;
  }
  if (replica.isLeading) {
    await replica.setRetention(rule);
    return;
  }
  const stop = replica.onChange(() => {
    if (!isNew(replica)) stop();
    if (!isNew(replica) || !replica.isLeading) return;
    stop();
    replica.setRetention(rule).catch((caught: unknown) => {
      const { code, message } = ProglogError.from(caught);
      observer.log("warn", "retention.not-set", { code, reason: message });
    });
  });
}

/** Nothing is in the log but the first word of its first leader. */
function isNew({ status }: Replica): boolean {
  return status.lastIndex <= 1;
}

function tellIfOther(present: RetentionRule, wanted: RetentionRule, observer: Observer): void {
  const { retentionBytes, retentionMs } = present;
  if (retentionBytes === wanted.retentionBytes && retentionMs === wanted.retentionMs) return;
  observer.log("warn", "retention.settings-ignored", {
    ...{ retention_bytes: retentionBytes, retention_ms: retentionMs },
    reason: "the log keeps the rule that was decided for it; proglog cluster set changes it",
  });
}
