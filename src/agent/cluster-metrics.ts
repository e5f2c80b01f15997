import { labelsBy, limits, membersOf } from "../base/index.ts";
import type { Observer } from "../base/index.ts";
import type { Replica } from "../replica/index.ts";

const ROLE = labelsBy("role");
const ROLES = ["follower", "preCandidate", "candidate", "leader"] as const;

/** What a replica tells of its place among the others. */
export class ClusterMetrics {
  readonly #replica: Replica;
  readonly #observer: Observer;
  #leader: number;

  constructor(replica: Replica, observer: Observer) {
    this.#replica = replica;
    this.#observer = observer;
    this.#leader = replica.status.leader;
    observer.count("leader_changes_total", 0);
    replica.onChange(() => this.#look());
  }

  /** What is true at this moment. */
  collect(): void {
    const { role, leader, commitIndex, lastIndex, configuration, damaged } = this.#replica.status;
    const { voters, learners } = configuration;
    const gauge = this.#observer.gauge.bind(this.#observer);
    for (const each of ROLES) gauge("role", each === role ? 1 : 0, ROLE(each));
    gauge("replicas", voters.length, ROLE("voter"));
    gauge("replicas", learners.length, ROLE("learner"));
    gauge("has_leader", leader === 0 ? 0 : 1);
    gauge("commit_index", commitIndex);
    gauge("last_index", lastIndex);
    gauge("damaged", damaged ? 1 : 0);
    gauge("replication_lag_entries", this.#lagEntries());
    gauge("voters_unheard", this.#votersUnheard());
  }

  /** What the follower that is furthest behind lacks of the committed log, as its leader knows. */
  #lagEntries(): number {
    const { replicaId: ownId, isLeading, members, status } = this.#replica;
    if (!isLeading) return 0;
    const { commitIndex, configuration } = status;
    const lags = membersOf(configuration)
      .filter(({ replicaId }) => replicaId !== ownId)
      .map(({ replicaId }) => commitIndex - (members.matched(replicaId) ?? 0));
    return Math.max(0, ...lags);
  }

  #votersUnheard(): number {
    const { replicaId: ownId, isLeading, members, status } = this.#replica;
    if (!isLeading) return 0;
    const { voters } = status.configuration;
    return voters.filter(
      ({ replicaId }) =>
        replicaId !== ownId && members.missedMs(replicaId) >= limits.replacedSilentMs,
    ).length;
  }

  #look(): void {
    const { leader } = this.#replica.status;
    if (leader === 0 || leader === this.#leader) return;
    this.#leader = leader;
    this.#observer.count("leader_changes_total");
  }
}
