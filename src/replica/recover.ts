import { membersOf, soleVoter } from "../base/index.ts";
import type { ConfigurationMember } from "../base/index.ts";
import { ENTRY_TYPE } from "../log/index.ts";
import type { Log } from "../log/index.ts";
import { encodeConfigurationEntry } from "./configuration-entry.ts";

/**
 * Makes a replica the only voter of its log, by its operator's word alone: the others are lost, and
 * Raft itself cannot go on. Everything that its disk kept counts as committed from now on, and damage
 * stays what it is: records that answer `DATA_LOSS`.
 *
 * The entry that says so has a term of its own. Nobody may hear of it who has heard of the others: the
 * caller gives the cluster another id first. When this is interrupted it is done again from the start.
 */
export async function recoverAlone(
  log: Log,
  member: ConfigurationMember,
  nowMs: number,
): Promise<{ readonly before: readonly ConfigurationMember[] }> {
  const { configuration } = log.hardState;
  const before = membersOf(configuration);
  const term = Math.max(log.hardState.term, log.lastTerm) + 1;
  await log.saveHardState({ ...log.hardState, term, vote: member.replicaId });
  const index = log.lastIndex + 1;
  const others = before.filter(({ replicaId }) => replicaId !== member.replicaId);
  const alone = soleVoter(member);
  const payload = encodeConfigurationEntry(
    {
      ...{ version: 2, transition: "auto", configuration: alone },
      operations: others.map((other) => ({ kind: "remove", member: other })),
    },
    configuration,
  );
  log.append({
    ...{ index, term, payload, type: ENTRY_TYPE.configuration, recordCount: 0 },
    baseOffset: log.nextOffset,
    appendedAt: Math.max(nowMs, log.lastAppendedAt),
  });
  await log.sync();
  await log.saveHardState({
    ...{ term, vote: member.replicaId, damaged: false },
    ...{ configuration: alone, configurationIndex: index },
  });
  return { before };
}
