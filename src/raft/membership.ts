import type { Configuration, ConfigurationMember } from "../base/index.ts";
import type { ReplicaId } from "./entry.ts";

/** A configuration, read: ids in ascending order, which is the order in which peers are visited. */
export class Membership {
  readonly configuration: Configuration;
  readonly incoming: readonly ReplicaId[];
  readonly outgoing: readonly ReplicaId[];
  /** Voters of either half: whom a candidate asks. */
  readonly voters: readonly ReplicaId[];
  /** Voters and learners: whom a leader replicates to. */
  readonly all: readonly ReplicaId[];
  readonly #learners: ReadonlySet<ReplicaId>;
  readonly #all: ReadonlySet<ReplicaId>;

  constructor(configuration: Configuration) {
    this.configuration = configuration;
    this.incoming = idsOf(configuration.voters);
    this.outgoing = idsOf(configuration.votersOutgoing);
    this.voters = idsOf(configuration.voters, configuration.votersOutgoing);
    this.all = idsOf(configuration.voters, configuration.votersOutgoing, configuration.learners);
    this.#learners = new Set(idsOf(configuration.learners));
    this.#all = new Set(this.all);
  }

  has(id: ReplicaId): boolean {
    return this.#all.has(id);
  }

  isLearner(id: ReplicaId): boolean {
    return this.#learners.has(id);
  }

  isVoter(id: ReplicaId): boolean {
    return this.has(id) && !this.isLearner(id);
  }

  /** One voter that decides alone. */
  get isSole(): boolean {
    return this.incoming.length === 1 && this.outgoing.length === 0;
  }
}

function idsOf(...groups: readonly (readonly ConfigurationMember[])[]): ReplicaId[] {
  const ids = new Set(groups.flatMap((group) => group.map(({ replicaId }) => replicaId)));
  return [...ids].sort((a, b) => a - b);
}
