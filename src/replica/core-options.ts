import { limits } from "../base/index.ts";
import type { Random } from "../base/index.ts";
import type { RaftOptions, ReplicaId } from "../raft/index.ts";
import type { ReplicaTiming } from "./options.ts";

/** How the core is run here: cautious in every choice that it leaves. */
export function coreOptions(parts: {
  readonly replicaId: ReplicaId;
  readonly random: Random;
  readonly timing: ReplicaTiming;
}): Omit<RaftOptions, "storage"> {
  const { replicaId: id, random, timing } = parts;
  const { electionTimeoutTicks, heartbeatTicks } = timing;
  return {
    id,
    random,
    electionTimeoutTicks,
    heartbeatTicks,
    asynchronousStorage: true,
    preVote: true,
    checkQuorum: true,
    stepDownOnRemoval: true,
    // Appends are forwarded by who knows their callers, not by the core.
    forwardProposals: false,
    messageBytesMax: limits.raftMessageBytesMax,
    committedBytesMax: limits.raftApplyBytesMax,
    inflightMessagesMax: limits.raftInflightMessagesMax,
    inflightBytesMax: limits.raftInflightBytesMax,
    // A leader whose disk hangs hands over, and a follower's that hangs does not ask to lead.
    storageTimeoutTicks: 2 * electionTimeoutTicks,
  };
}
