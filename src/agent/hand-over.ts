import { limits, ProglogError, systemClock } from "../base/index.ts";
import type { Clock, ConfigurationMember } from "../base/index.ts";
import type { Replica } from "../replica/index.ts";

/**
 * Lets another voter lead before this server ends, so that nobody has to wait for an election. Those
 * who have caught up are asked first; resolves in a bounded time also when nobody takes over.
 */
export async function handOver(
  replica: Replica,
  ownId: number,
  clock: Clock = systemClock,
): Promise<void> {
  for (const { replicaId } of successors(replica, ownId)) {
    if (!replica.isLeading) return;
    try {
      replica.transferLeadership(replicaId);
    } catch (error) {
      if (!(error instanceof ProglogError)) throw error;
      return;
    }
    await changeOrTimeout(replica, () => replica.status.leader !== ownId, clock);
  }
}

function successors(replica: Replica, ownId: number): readonly ConfigurationMember[] {
  const { members, status } = replica;
  const isBehind = ({ replicaId }: ConfigurationMember): number =>
    members.isCaughtUp(replicaId) ? 0 : 1;
  return status.configuration.voters
    .filter(({ replicaId }) => replicaId !== ownId)
    .filter(({ replicaId }) => members.silentMs(replicaId) < limits.promotedSilentMs)
    .toSorted((a, b) => isBehind(a) - isBehind(b))
    .slice(0, limits.handOverAttemptsMax);
}

function changeOrTimeout(replica: Replica, isSo: () => boolean, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      cancel();
      unsubscribe();
      resolve();
    };
    const cancel = clock.after(limits.handOverTimeoutMs, end);
    const unsubscribe = replica.onChange(() => {
      if (isSo()) end();
    });
  });
}
