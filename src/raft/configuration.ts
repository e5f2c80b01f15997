/** Changes of who takes part, as arithmetic on configurations (thesis chapter 4). Nothing is mutated. */
import type { Configuration, ConfigurationMember } from "../base/index.ts";
import type { ConfigurationChange, ConfigurationOperation, ReplicaId } from "./entry.ts";

export type ConfigurationRefusal =
  | "alreadyJoint"
  | "noVotersToJoin"
  | "notJoint"
  | "simpleInJoint"
  | "severalVotersInSimple"
  | "noVotersLeft";

export type ConfigurationResult =
  | {
      readonly kind: "changed";
      readonly configuration: Configuration;
      /** Replicas that this change brought in, or brought back: nothing is known of their logs. */
      readonly fresh: ReadonlySet<ReplicaId>;
    }
  | { readonly kind: "refused"; readonly reason: ConfigurationRefusal };

/** What a change makes of a configuration; a driver stores the result before the core hears of it. */
export function changeConfiguration(
  configuration: Configuration,
  change: ConfigurationChange,
): ConfigurationResult {
  if (leavesJoint(change)) return leaveJoint(configuration);
  if (change.transition !== "auto" || change.operations.length > 1) {
    return enterJoint(configuration, change.transition !== "explicit", change.operations);
  }
  return simpleChange(configuration, change.operations);
}

/** An empty change ends a joint configuration. */
export function leavesJoint(change: ConfigurationChange): boolean {
  return change.version === 2 && change.transition === "auto" && change.operations.length === 0;
}

export function isJoint(configuration: Configuration): boolean {
  return configuration.votersOutgoing.length > 0;
}

/** At most one voter changes, so that every old majority meets every new one (thesis 4.1). */
export function simpleChange(
  configuration: Configuration,
  operations: readonly ConfigurationOperation[],
): ConfigurationResult {
  if (isJoint(configuration)) return refused("simpleInJoint");
  const draft = new Draft(configuration);
  draft.apply(operations);
  if (draft.voters.size === 0) return refused("noVotersLeft");
  const before = new Set(configuration.voters.map(({ replicaId }) => replicaId));
  const added = [...draft.voters.keys()].filter((id) => !before.has(id)).length;
  const removed = [...before].filter((id) => !draft.voters.has(id)).length;
  return added + removed > 1 ? refused("severalVotersInSimple") : draft.finish(false);
}

/** From here on majorities of the old voters and of the new are needed (thesis 4.3). */
export function enterJoint(
  configuration: Configuration,
  autoLeave: boolean,
  operations: readonly ConfigurationOperation[],
): ConfigurationResult {
  if (isJoint(configuration)) return refused("alreadyJoint");
  if (configuration.voters.length === 0) return refused("noVotersToJoin");
  const draft = new Draft(configuration);
  draft.outgoing = new Map(draft.voters);
  draft.apply(operations);
  return draft.voters.size === 0 ? refused("noVotersLeft") : draft.finish(autoLeave);
}

export function leaveJoint(configuration: Configuration): ConfigurationResult {
  if (!isJoint(configuration)) return refused("notJoint");
  const draft = new Draft(configuration);
  for (const [id, member] of draft.learnersNext) draft.learners.set(id, member);
  draft.learnersNext.clear();
  draft.outgoing.clear();
  return draft.finish(false);
}

function refused(reason: ConfigurationRefusal): ConfigurationResult {
  return { kind: "refused", reason };
}

type Members = Map<ReplicaId, ConfigurationMember>;

function mapOf(members: readonly ConfigurationMember[]): Members {
  return new Map(members.map((member) => [member.replicaId, member]));
}

function listOf(members: Members): ConfigurationMember[] {
  return [...members.values()].sort((a, b) => a.replicaId - b.replicaId);
}

/** A configuration while it is being changed. */
class Draft {
  readonly voters: Members;
  outgoing: Members;
  readonly learners: Members;
  readonly learnersNext: Members;
  readonly fresh = new Set<ReplicaId>();

  constructor(configuration: Configuration) {
    this.voters = mapOf(configuration.voters);
    this.outgoing = mapOf(configuration.votersOutgoing);
    this.learners = mapOf(configuration.learners);
    this.learnersNext = mapOf(configuration.learnersNext);
  }

  apply(operations: readonly ConfigurationOperation[]): void {
    for (const { kind, member } of operations) {
      if (member.replicaId === 0) continue;
      switch (kind) {
        case "addVoter":
          this.#addVoter(member);
          break;
        case "addLearner":
          this.#addLearner(member);
          break;
        case "remove":
          this.#remove(member.replicaId);
          break;
        case "update":
          this.#update(member);
          break;
      }
    }
  }

  finish(autoLeave: boolean): ConfigurationResult {
    const configuration: Configuration = {
      voters: listOf(this.voters),
      votersOutgoing: listOf(this.outgoing),
      learners: listOf(this.learners),
      learnersNext: listOf(this.learnersNext),
      autoLeave,
    };
    return { kind: "changed", configuration, fresh: this.fresh };
  }

  #has(id: ReplicaId): boolean {
    return this.voters.has(id) || this.outgoing.has(id) || this.learners.has(id);
  }

  #addVoter(member: ConfigurationMember): void {
    const id = member.replicaId;
    if (!this.#has(id)) this.fresh.add(id);
    this.learners.delete(id);
    this.learnersNext.delete(id);
    this.voters.set(id, member);
  }

  #addLearner(member: ConfigurationMember): void {
    const id = member.replicaId;
    if (this.learners.has(id)) return;
    if (!this.#has(id)) this.fresh.add(id);
    this.voters.delete(id);
    // Who still counts in the old half becomes a learner only when that half is left.
    if (this.outgoing.has(id)) this.learnersNext.set(id, member);
    else this.learners.set(id, member);
  }

  #remove(id: ReplicaId): void {
    this.voters.delete(id);
    this.learners.delete(id);
    this.learnersNext.delete(id);
    if (!this.#has(id)) this.fresh.delete(id);
  }

  /** A new name for a known id. */
  #update(member: ConfigurationMember): void {
    for (const group of [this.voters, this.outgoing, this.learners, this.learnersNext]) {
      if (group.has(member.replicaId)) group.set(member.replicaId, member);
    }
  }
}
