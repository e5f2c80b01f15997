import type { ConfigurationMember } from "../base/index.ts";
import type { ReplicaId } from "../raft/index.ts";
import type { Consensus } from "./consensus.ts";
import type { ReplicaOptions, ServerInfo, ServersInfo } from "./options.ts";

export interface ServerListParts extends Pick<
  ReplicaOptions,
  "describe" | "describePeer" | "replicaId"
> {
  readonly consensus: Consensus;
  /** Whether this replica leads, and may decide. */
  readonly isLeading: boolean;
  /** This replica's own. */
  readonly highWatermark: number;
}

/**
 * Who takes part, as this replica sees it. How far the others are is the leader's to know: what they have
 * acknowledged, as far as it is committed.
 */
export function listServers(parts: ServerListParts): ServersInfo {
  const { consensus, replicaId, describePeer, isLeading, highWatermark } = parts;
  const { clusterId, ...own } = parts.describe();
  const { voters, votersOutgoing, learners, learnersNext } = consensus.configuration;
  const servers = new Map<ReplicaId, ServerInfo>();
  const add = (member: ConfigurationMember, role: ServerInfo["role"]): void => {
    const isOwn = member.replicaId === replicaId;
    const other = { rpcAddress: "", httpAddress: "", fsyncRelaxed: false };
    servers.set(member.replicaId, {
      ...other,
      ...(isOwn ? own : describePeer?.(member)),
      id: isOwn ? own.id : member.name,
      role,
      isLeader: isOwn ? isLeading : member.replicaId === consensus.leader,
      highWatermark: isOwn ? highWatermark : consensus.highWatermarkOf(member.replicaId),
    });
  };
  for (const member of [...learners, ...learnersNext]) add(member, "learner");
  for (const member of [...votersOutgoing, ...voters]) add(member, "voter");
  return { clusterId, term: consensus.term, servers: [...servers.values()] };
}
