/** What the world may send, and no replica dies of. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import type { Entry, Message } from "../index.ts";
import { Cluster, votersOf } from "../testing/cluster.ts";

const head = { from: 2, to: 1, term: 3 } as const;
const append = {
  kind: "appendEntries",
  ...head,
  previousIndex: 0,
  previousTerm: 0,
  entries: [] as Entry[],
  commit: 0,
  damageId: 0,
  repairIndex: 0,
} as const;
const heartbeat = { kind: "heartbeat", ...head, commit: 0, readRound: 0 } as const;
const entry: Entry = { kind: "normal", index: 1, term: 1, payload: "a", sizeBytes: 1 };
const configuration = {
  kind: "configuration",
  index: 1,
  term: 1,
  sizeBytes: 1,
} as const;
const change = { version: 2, transition: "auto", operations: [] } as const;
const snapshot = { index: 5, term: 1, configuration: votersOf(1, 2, 3), data: "" };
const vote = { kind: "requestVote", ...head, lastIndex: 1, lastTerm: 1, transfer: false } as const;

const BAD: Readonly<Record<string, readonly [unknown, string]>> = {
  "a kind nobody knows": [{ kind: "gossip", ...head }, "malformed"],
  "a kind that every object has": [{ kind: "toString", ...head }, "malformed"],
  "from nobody": [{ ...heartbeat, from: 0 }, "malformed"],
  "from ourselves": [{ ...heartbeat, from: 1 }, "malformed"],
  "to another": [{ ...heartbeat, to: 3 }, "malformed"],
  "without a term": [{ ...heartbeat, term: 0 }, "malformed"],
  "a proposal with a term": [{ kind: "propose", ...head, entries: [entry] }, "malformed"],
  "a term beyond 2^53": [{ ...heartbeat, term: 2 ** 53 }, "malformed"],
  "a term below 0": [{ ...heartbeat, term: -1 }, "malformed"],
  "a term far ahead": [{ ...heartbeat, term: 2 ** 40 }, "termTooFar"],
  "an index beyond 2^53": [{ ...append, previousIndex: 2 ** 53, previousTerm: 1 }, "malformed"],
  "an index with a fraction": [{ ...heartbeat, commit: 1.5 }, "malformed"],
  "an index as text": [{ ...heartbeat, commit: "1" }, "malformed"],
  "a commit beyond our log": [{ ...heartbeat, commit: 9 }, "commitBeyondLog"],
  "entries that are no list": [{ ...append, entries: "x" }, "malformed"],
  "an entry at the wrong place": [{ ...append, entries: [{ ...entry, index: 2 }] }, "brokenChain"],
  "entries with a gap": [{ ...append, entries: [entry, { ...entry, index: 3 }] }, "brokenChain"],
  "terms that go back": [
    {
      ...append,
      entries: [
        { ...entry, term: 2 },
        { ...entry, index: 2 },
      ],
    },
    "brokenChain",
  ],
  "an entry of a term to come": [{ ...append, entries: [{ ...entry, term: 4 }] }, "brokenChain"],
  "a place without a term": [{ ...append, previousIndex: 4 }, "brokenChain"],
  "a term without a place": [{ ...append, previousTerm: 2 }, "brokenChain"],
  "an entry without an index": [{ ...append, entries: [{ ...entry, index: 0 }] }, "malformed"],
  "an entry without a weight": [{ ...append, entries: [{ ...entry, sizeBytes: -1 }] }, "malformed"],
  "an entry of no kind": [{ ...append, entries: [{ ...entry, kind: "x" }] }, "malformed"],
  "a change that is none": [{ ...append, entries: [configuration] }, "badConfiguration"],
  "a change with an unknown operation": [
    {
      ...append,
      entries: [
        {
          ...configuration,
          payload: { ...change, operations: [{ kind: "x", member: { replicaId: 1, name: "" } }] },
        },
      ],
    },
    "badConfiguration",
  ],
  "a change that makes nobody": [
    {
      ...append,
      entries: [{ ...configuration, payload: { ...change, configuration: votersOf() } }],
    },
    "badConfiguration",
  ],
  "a snapshot of nothing": [
    { kind: "installSnapshot", ...head, snapshot: { ...snapshot, index: 0 } },
    "brokenChain",
  ],
  "a snapshot from the future": [
    { kind: "installSnapshot", ...head, snapshot: { ...snapshot, term: 9 } },
    "brokenChain",
  ],
  "a snapshot without numbers": [
    { kind: "installSnapshot", ...head, snapshot: { ...snapshot, index: NaN } },
    "malformed",
  ],
  "a snapshot that names nobody": [
    { kind: "installSnapshot", ...head, snapshot: { ...snapshot, configuration: votersOf() } },
    "badConfiguration",
  ],
  "a snapshot without lists": [
    {
      kind: "installSnapshot",
      ...head,
      snapshot: { ...snapshot, configuration: { ...votersOf(1), learners: 1 } },
    },
    "badConfiguration",
  ],
  "a snapshot with somebody in two roles": [
    {
      kind: "installSnapshot",
      ...head,
      snapshot: {
        ...snapshot,
        configuration: { ...votersOf(1, 2), learners: votersOf(2).voters },
      },
    },
    "badConfiguration",
  ],
  "a vote without a flag": [{ ...vote, transfer: 1 }, "malformed"],
  "an answer without a flag": [{ kind: "requestVoteResponse", ...head, rejected: 0 }, "malformed"],
  "another without a flag": [{ kind: "requestPreVoteResponse", ...head }, "malformed"],
  "a third without a flag": [{ kind: "appendEntriesResponse", ...head, index: 1 }, "malformed"],
  "no proposals": [{ kind: "propose", ...head, term: 0, entries: [] }, "malformed"],
  "a proposal of an empty entry": [
    { kind: "propose", ...head, term: 0, entries: [{ ...entry, kind: "noop" }] },
    "malformed",
  ],
  "a proposal without weight": [
    { kind: "propose", ...head, term: 0, entries: [{ ...entry, sizeBytes: 0.5 }] },
    "malformed",
  ],
  "an answer of a stranger": [
    { kind: "heartbeatResponse", ...head, from: 9, readRound: 0, damageId: 0 },
    "unknownPeer",
  ],
};

describe("bad input is refused, counted, and changes nothing", () => {
  for (const [name, [message, reason]] of Object.entries(BAD)) {
    test(name, () => {
      const cluster = new Cluster([1, 2, 3]);
      const result = cluster.raft(1).step(message as Message);
      assert.deepEqual(result, { kind: "refused", reason });
      assert.equal(cluster.eventsOf(1, "refused").length, 1);
      if (reason !== "commitBeyondLog") assert.equal(cluster.raft(1).hasReady(), false);
      assert.equal(cluster.raft(1).lastIndex, 0);
    });
  }

  test("entries that contradict what is committed", () => {
    const cluster = new Cluster([1, 2, 3]);
    cluster.elect(2);
    cluster.propose(2, "a");
    const entries = [{ ...entry, index: 2, term: 2 }];
    cluster.raft(1).step({ ...append, previousIndex: 1, previousTerm: 1, entries, commit: 2 });
    assert.deepEqual(cluster.log(1), ["1:", "1:a"]);
    const lower = cluster.raft(1).step({ ...append, entries: [{ ...entry, term: 2 }] });
    assert.equal(lower.kind, "accepted", "answered with what is committed");
  });

  test("what only a leader may be told, and what only a leader may say", () => {
    const cluster = new Cluster([1, 2, 3]);
    const asks: Message[] = [
      { kind: "propose", ...head, term: 0, entries: [entry] },
      { kind: "readIndex", ...head, term: 0, readId: 1 },
      { kind: "transferLeadership", ...head, term: 1, target: 2 },
    ];
    for (const ask of asks) assert.equal(cluster.raft(1).step(ask).kind, "refused");
    cluster.raft(1).campaign();
    for (const ask of asks) {
      const term = ask.term === 0 ? 0 : cluster.raft(1).term;
      assert.equal(cluster.raft(1).step({ ...ask, term }).kind, "refused");
    }
    const leading = new Cluster([1, 2, 3]);
    leading.elect(1);
    for (const claim of [
      { ...heartbeat, term: 1 },
      { ...append, term: 1 },
      { kind: "installSnapshot", ...head, term: 1, snapshot } as const,
    ]) {
      assert.equal(leading.raft(1).step(claim).kind, "refused");
    }
    assert.equal(leading.raft(1).role, "leader");
  });

  test("a forwarded proposal that may not be", () => {
    const cluster = new Cluster([1, 2, 3], { uncommittedBytesMax: 1 });
    cluster.elect(1);
    cluster.isolate(1);
    const ask = { kind: "propose", ...head, term: 0, entries: [entry as never] } as const;
    assert.equal(cluster.raft(1).step(ask).kind, "accepted");
    assert.deepEqual(cluster.raft(1).step(ask), { kind: "refused", reason: "uncommittedLimit" });
  });
});
