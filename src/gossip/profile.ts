/**
 * Timings, of which memberlist and Serf ship three sets; all members of a cluster should share one. Only what
 * concerns its own leave may differ from member to member.
 */
export interface Profile {
  /** A whole exchange over TCP. */
  readonly streamTimeoutMs: number;
  /** Members asked to probe for us. */
  readonly indirectProbes: number;
  /** Each broadcast is sent this many times ceil(log10(members + 1)). */
  readonly retransmitMultiplier: number;
  readonly suspicionMultiplier: number;
  /** A suspicion that nobody confirms lasts this many times the shortest. */
  readonly suspicionMaxMultiplier: number;
  readonly pushPullIntervalMs: number;
  readonly probeIntervalMs: number;
  /** Without an ack for so long, others are asked. */
  readonly probeTimeoutMs: number;
  /** The health score stays below this. */
  readonly awarenessMax: number;
  readonly gossipIntervalMs: number;
  /** Members that each round of gossip goes to. */
  readonly gossipFanout: number;
  /** The dead are told so long what is said of them, so that the living among them can refute. */
  readonly gossipToDeadMs: number;
  /** One that leaves lets so much time pass between its reason and its last word. */
  readonly leavePauseMs: number;
  /** After its last word it still answers probes so long. */
  readonly leaveAnswerMs: number;
}

const lan: Profile = {
  streamTimeoutMs: 10_000,
  indirectProbes: 3,
  retransmitMultiplier: 4,
  suspicionMultiplier: 4,
  suspicionMaxMultiplier: 6,
  pushPullIntervalMs: 30_000,
  probeIntervalMs: 1_000,
  probeTimeoutMs: 500,
  awarenessMax: 8,
  gossipIntervalMs: 200,
  gossipFanout: 3,
  gossipToDeadMs: 30_000,
  leavePauseMs: 800,
  leaveAnswerMs: 1_000,
};

export type ProfileName = "lan" | "wan" | "local";

export const PROFILES: Readonly<Record<ProfileName, Profile>> = {
  lan,
  wan: {
    ...lan,
    streamTimeoutMs: 30_000,
    suspicionMultiplier: 6,
    pushPullIntervalMs: 60_000,
    probeIntervalMs: 5_000,
    probeTimeoutMs: 3_000,
    gossipIntervalMs: 500,
    gossipFanout: 4,
    gossipToDeadMs: 60_000,
  },
  local: {
    ...lan,
    streamTimeoutMs: 1_000,
    indirectProbes: 1,
    retransmitMultiplier: 2,
    suspicionMultiplier: 3,
    pushPullIntervalMs: 15_000,
    probeTimeoutMs: 200,
    gossipIntervalMs: 100,
    gossipToDeadMs: 15_000,
  },
};
