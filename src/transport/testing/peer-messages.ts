import fc from "fast-check";
import { ENTRY_TYPE, logWire } from "../../log/index.ts";
import type { Entry } from "../../log/index.ts";
import type { Message, MessageKind } from "../../raft/index.ts";
import type { Ends } from "../raft-codec.ts";
import type { PeerMessage } from "../peer-message.ts";

/** The ends that all messages of these tests have. */
export const ENDS: Ends = { log: "default", from: 7, to: 2 ** 53 - 1 };

const number = fc.maxSafeNat();
const flag = fc.boolean();
const u16 = fc.nat(0xffff);

/** Entries of all types, with payloads that are copied and payloads that are not. */
export const entry: fc.Arbitrary<Entry> = fc
  .record({
    index: number,
    term: number,
    baseOffset: number,
    appendedAt: number,
    type: fc.constantFrom(0, 1, 2, 3, 4, 5),
    recordCount: fc.nat(1_000),
    payload: fc.oneof(
      fc.uint8Array({ maxLength: 100 }),
      fc.nat(10_000).map((length) => new Uint8Array(length).fill(length)),
    ),
  })
  .map((shape) => shape as Entry);

const member = fc.record({ replicaId: number, name: fc.constantFrom("a", "b-1") });
const members = fc.array(member, { maxLength: 3 });
const configuration = fc.record({
  voters: members,
  votersOutgoing: members,
  learners: members,
  learnersNext: members,
  autoLeave: flag,
});
const marker = fc.record({
  firstIndex: number,
  previousTerm: number,
  nextOffset: number,
  appendedAt: number,
  logStart: fc.record({
    index: number,
    offset: number,
    retentionBytes: number,
    retentionMs: number,
  }),
  featureLevel: fc.nat(10),
  commitIndex: number,
  configurationIndex: number,
  configuration,
  state: fc.uint8Array(),
});

/** What each kind has besides its ends and its term: written here a second time, on purpose. */
const FIELDS: Readonly<Record<MessageKind, Readonly<Record<string, fc.Arbitrary<unknown>>>>> = {
  requestVote: { lastIndex: number, lastTerm: number, transfer: flag },
  requestVoteResponse: { rejected: flag },
  requestPreVote: { lastIndex: number, lastTerm: number },
  requestPreVoteResponse: { rejected: flag },
  appendEntries: {
    previousIndex: number,
    previousTerm: number,
    commit: number,
    damageId: number,
    repairIndex: number,
    entries: fc.constant([]),
  },
  appendEntriesResponse: {
    index: number,
    rejected: flag,
    hintIndex: number,
    hintTerm: number,
    damageId: number,
  },
  heartbeat: { commit: number, readRound: number },
  heartbeatResponse: { readRound: number, damageId: number },
  installSnapshot: {
    snapshot: fc.record({ index: number, term: number, configuration, data: marker }),
  },
  timeoutNow: {},
  propose: { entries: fc.constant([]) },
  readIndex: { readId: number },
  readIndexResponse: { readId: number, index: number },
  transferLeadership: { target: number },
};

export const KINDS: readonly MessageKind[] = Object.keys(FIELDS) as MessageKind[];

export function raftMessage(kind: MessageKind): fc.Arbitrary<PeerMessage<Entry>> {
  const { log, from, to } = ENDS;
  const carries = kind === "appendEntries" || kind === "propose";
  return fc
    .record({
      message: fc.record({ term: number, ...FIELDS[kind] }),
      entries: carries ? fc.array(entry, { maxLength: 5 }) : fc.constant([]),
      freeBytes: number,
    })
    .map(({ message, entries, freeBytes }) => ({
      kind: "raft",
      log,
      from,
      to,
      message: { kind, from, to, ...message } as unknown as Message,
      entries,
      freeBytes,
    }));
}

/** Every message that may travel. */
export const peerMessage: fc.Arbitrary<PeerMessage<Entry>> = fc.oneof(
  ...KINDS.map(raftMessage),
  fc
    .record({ request: number, fromIndex: number, toIndex: number })
    .map((own) => ({ kind: "fetchEntries" as const, ...ENDS, ...own })),
  fc
    .record({ request: number, entries: fc.array(entry, { maxLength: 5 }) })
    .map((own) => ({ kind: "fetchedEntries" as const, ...ENDS, ...own })),
  fc
    .record({ call: number, method: u16, payload: fc.uint8Array() })
    .map((own) => ({ kind: "call" as const, ...ENDS, ...own })),
  fc
    .record({ call: number, status: u16, payload: fc.uint8Array() })
    .map((own) => ({ kind: "reply" as const, ...ENDS, ...own })),
);

/** An entry of records at a place, of a size. */
export function recordsEntry(index: number, bytes: number): Entry {
  const payload = new Uint8Array(bytes).fill(index);
  const place = { index, term: 1, baseOffset: index, appendedAt: 1, recordCount: 1 };
  return { ...place, type: ENTRY_TYPE.records, payload };
}

export { logWire };
