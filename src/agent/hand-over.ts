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

/**
 * Lets one voter lead, or whoever has caught up, and resolves with the one that does; undefined when
 * nobody took over in time. Throws `NOT_LEADER` when it may not be asked for.
 */
export async function transferTo(
  replica: Replica,
  target: number | undefined,
  clock: Clock = systemClock,
): Promise<ConfigurationMember | undefined> {
  const { replicaId: ownId } = replica;
  if (target === ownId) return replica.leader;
  const asked = target === undefined ? successors(replica, ownId).map(idOf) : [target];
  const another = (): ConfigurationMember | undefined =>
    replica.leader?.replicaId === ownId ? undefined : replica.leader;
  for (const replicaId of asked) {
    replica.transferLeadership(replicaId);
    await changeOrTimeout(replica, () => another() !== undefined, clock);
    if (another() !== undefined || !replica.isLeading) break;
  }
  return another();
}

function idOf({ replicaId }: ConfigurationMember): number {
  return replicaId;
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

/** Resolves when it is so, or after a while. */
export function changeOrTimeout(
  replica: Replica,
  isSo: () => boolean,
  clock: Clock,
): Promise<void> {
  if (isSo()) return Promise.resolve();
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
