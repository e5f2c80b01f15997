/**
 * Random storms over the core alone: lost, repeated and reordered messages, slow storage, crashes that
 * lose what is not durable, changes of the configuration. The cluster checks after every step that a
 * term has one leader, a term one vote, an index one entry; after the storm everybody must agree.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { below, chance, type Random, seededRandom } from "../../base/index.ts";
import { Cluster, operations } from "../testing/cluster.ts";

const STEPS = 600;

function storm(cluster: Cluster, random: Random, ids: readonly number[]): string[] {
  const acknowledged: string[] = [];
  const pick = (): number => ids[below(random, ids.length)] ?? 1;
  for (let step = 0; step < STEPS; step++) {
    const id = pick();
    const seat = cluster.seat(id);
    const dice = below(random, 100);
    if (seat.isDown) {
      if (dice < 20) cluster.restart(id);
      continue;
    }
    if (dice < 35) cluster.work(id);
    else if (dice < 55) cluster.store(id);
    else if (dice < 80) deliverOne(cluster, random);
    else if (dice < 90) cluster.tick(id);
    else if (dice < 96) seat.raft.propose([{ payload: `${step}`, sizeBytes: 1 }]);
    else if (dice < 97) seat.raft.readIndex();
    else if (dice < 98) change(cluster, random, id);
    else if (dice < 99) seat.raft.transferLeadership(pick());
    else cluster.crash(id);
    acknowledged.push(...cluster.appliedBy(id).slice(acknowledged.length));
  }
  return acknowledged;
}

/** One at random, sometimes lost, sometimes kept for another time. */
function deliverOne(cluster: Cluster, random: Random): void {
  const message = cluster.messages[below(random, cluster.messages.length)];
  if (message === undefined) return;
  if (!chance(random, 0.1)) cluster.takeOut((other) => other === message);
  if (!chance(random, 0.1)) cluster.deliver(message);
}

function change(cluster: Cluster, random: Random, id: number): void {
  const words = ["l4", "v4", "r4", "l5", "v5", "r5", "l3", "v3"];
  const count = 1 + below(random, 2);
  const chosen = Array.from({ length: count }, () => words[below(random, words.length)] ?? "v3");
  cluster
    .raft(id)
    .proposeConfiguration({ version: 2, transition: "auto", operations: operations(...chosen) }, 4);
}

describe("storms", () => {
  for (let seed = 1; seed <= 40; seed++) {
    test(`seed ${seed}`, () => {
      const random = seededRandom(seed);
      const cluster = new Cluster([1, 2, 3], {
        random,
        asynchronousStorage: chance(random, 0.7),
        preVote: chance(random, 0.5),
        checkQuorum: chance(random, 0.5),
        messageBytesMax: 1 + below(random, 4),
        inflightMessagesMax: 1 + below(random, 4),
        electionTimeoutTicks: 5,
      });
      const ids = [1, 2, 3, 4, 5];
      for (const id of [4, 5]) cluster.add(id);
      const told = storm(cluster, random, ids);

      for (const id of ids) if (cluster.seat(id).isDown) cluster.restart(id);
      cluster.run();
      cluster.pass(100);
      const { leader } = cluster;
      assert.notEqual(leader, 0, "a healed cluster has a leader");
      cluster.propose(leader, "after the storm");
      cluster.pass(3);
      const log = cluster.appliedBy(leader);
      assert.ok(log.at(-1)?.endsWith(":after the storm") ?? false);
      assert.deepEqual(log.slice(0, told.length), told, "what was applied anywhere is there");
      for (const [id, progress] of cluster.raft(leader).progress) {
        assert.equal(progress.match, cluster.raft(leader).lastIndex);
        assert.deepEqual(cluster.log(id), cluster.log(leader));
      }
    });
  }
});
