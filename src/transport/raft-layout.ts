import type { MessageKind } from "../raft/index.ts";

/** What a message of one kind has besides the numbers that all have. */
export interface Layout {
  /** Its number on the wire; never used again for anything else. */
  readonly code: number;
  /** u64 each, in this order. */
  readonly numbers: readonly string[];
  /** Set: 1 in the flags. */
  readonly flag?: string;
  /** What follows the numbers. */
  readonly tail?: "entries" | "snapshot";
}

/** Every kind that the core knows; one that is missing here does not compile. */
export const RAFT_LAYOUTS: Readonly<Record<MessageKind, Layout>> = {
  requestVote: { code: 16, numbers: ["lastIndex", "lastTerm"], flag: "transfer" },
  requestVoteResponse: { code: 17, numbers: [], flag: "rejected" },
  requestPreVote: { code: 18, numbers: ["lastIndex", "lastTerm"] },
  requestPreVoteResponse: { code: 19, numbers: [], flag: "rejected" },
  appendEntries: {
    code: 20,
    numbers: ["previousIndex", "previousTerm", "commit", "damageId", "repairIndex"],
    tail: "entries",
  },
  appendEntriesResponse: {
    code: 21,
    numbers: ["index", "hintIndex", "hintTerm", "damageId"],
    flag: "rejected",
  },
  heartbeat: { code: 22, numbers: ["commit", "readRound"] },
  heartbeatResponse: { code: 23, numbers: ["readRound", "damageId"] },
  installSnapshot: { code: 24, numbers: [], tail: "snapshot" },
  timeoutNow: { code: 25, numbers: [] },
  propose: { code: 26, numbers: [], tail: "entries" },
  readIndex: { code: 27, numbers: ["readId"] },
  readIndexResponse: { code: 28, numbers: ["readId", "index"] },
  transferLeadership: { code: 29, numbers: ["target"] },
};

/** The rest of what travels: not the core's, or not a message at all. */
export const OTHER_CODES = {
  ping: 1,
  pong: 2,
  fetchEntries: 48,
  fetchedEntries: 49,
  call: 50,
  reply: 51,
} as const;

export const RAFT_KINDS: ReadonlyMap<number, MessageKind> = new Map(
  Object.entries(RAFT_LAYOUTS).map(([kind, { code }]) => [code, kind as MessageKind]),
);
