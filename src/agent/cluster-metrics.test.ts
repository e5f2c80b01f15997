/** What a leader tells of those who follow it, and the others do not. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { silentObserver } from "../base/index.ts";
import type { Replica } from "../replica/index.ts";
import { ClusterMetrics } from "./cluster-metrics.ts";

const member = (replicaId: number) => ({ replicaId, name: `r${replicaId}` });

/** Replica 1 of four voters and a learner, all of which have said something but the last one. */
function gaugesOf(isLeading: boolean): Map<string, number | undefined> {
  const matched = new Map<number, number>([
    [1, 90],
    [2, 100],
    [3, 40],
    [4, 100],
    [5, 70],
  ]);
  const missedMs = new Map<number, number>([
    [3, 9_999],
    [4, 10_000],
    [5, 60_000],
  ]);
  const replica = {
    ...{ replicaId: 1, isLeading, onChange: () => () => undefined },
    members: {
      matched: (id: number) => matched.get(id),
      missedMs: (id: number) => missedMs.get(id) ?? 0,
    },
    status: {
      ...{ role: "leader", term: 1, leader: 1, commitIndex: 100, lastIndex: 110, damaged: false },
      configuration: {
        ...{ voters: [1, 2, 3, 4].map(member), votersOutgoing: [], learners: [member(5)] },
        ...{ learnersNext: [], autoLeave: false },
      },
    },
  } as unknown as Replica;
  const gauges = new Map<string, number | undefined>();
  const gauge = (name: string, value: number | undefined): void => void gauges.set(name, value);
  new ClusterMetrics(replica, { ...silentObserver, gauge }).collect();
  return gauges;
}

test("the leader tells how far the last one is behind, and of which voters it hears nothing", () => {
  const leading = gaugesOf(true);
  assert.equal(leading.get("replication_lag_entries"), 60);
  assert.equal(leading.get("voters_unheard"), 1);
  const following = gaugesOf(false);
  assert.equal(following.get("replication_lag_entries"), 0);
  assert.equal(following.get("voters_unheard"), 0);
});
