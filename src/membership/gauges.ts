import { labelsBy } from "../base/index.ts";
import type { Observer } from "../base/index.ts";
import type { GossipStatus } from "../gossip/index.ts";

const STATUS = labelsBy("status");

/** What is true now, as numbers. */
export function tellGauges(observer: Observer, status: GossipStatus): void {
  const { membersByStatus } = status;
  for (const [name, count] of Object.entries(membersByStatus)) {
    observer.gauge("gossip_members", count, STATUS(name));
  }
  observer.gauge("gossip_health_score", status.healthScore);
  observer.gauge("gossip_suspicions", status.suspicionsCount);
  const { memberQueueLength, intentQueueLength, eventQueueLength, queryQueueLength } = status;
  const waiting = memberQueueLength + intentQueueLength + eventQueueLength + queryQueueLength;
  observer.gauge("gossip_broadcasts_waiting", waiting);
}
