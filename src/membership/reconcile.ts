import { membersOf } from "../base/index.ts";
import type { Configuration, ConfigurationMember } from "../base/index.ts";
import type { Member } from "../gossip/index.ts";

/** What a leader knows when it looks whether somebody is to come in, or may vote. */
export interface ReconcileFacts {
  /** The one that is in force. */
  readonly configuration: Configuration;
  /** The servers that gossip calls alive. */
  readonly seen: readonly ConfigurationMember[];
  /** It let us in, as the replica that gossip says it is, and belongs to no cluster yet. */
  readonly isNew: (member: ConfigurationMember) => boolean;
  /** It has all that is committed, and said so just now. */
  readonly isCaughtUp: (member: ConfigurationMember) => boolean;
}

/** One change of who takes part. */
export interface ReconcileStep {
  readonly kind: "addLearner" | "promote";
  readonly member: ConfigurationMember;
}

/**
 * From the members that are seen to the configuration that is wanted, a step at a time: who is new
 * comes in as a learner, and a learner that has caught up votes. A known name with a new id is a
 * server whose disk was lost; it comes in the same way, and the step that lets it vote removes its
 * former self.
 *
 * Nobody goes by this: who failed stays a voter, because he may come back with what he has promised,
 * and who left the gossip left nothing else. A server that was removed is not new, and stays out.
 */
export function nextStep(facts: ReconcileFacts): ReconcileStep | undefined {
  const { configuration, seen, isNew, isCaughtUp } = facts;
  const { votersOutgoing, learners } = configuration;
  // One change at a time.
  if (votersOutgoing.length > 0) return undefined;
  const ready = learners.find(isCaughtUp);
  if (ready !== undefined) return { kind: "promote", member: ready };
  const joined = candidates(configuration, seen).find(isNew);
  return joined && { kind: "addLearner", member: joined };
}

/** Those who are seen and do not take part, by name. */
export function candidates(
  configuration: Configuration,
  seen: readonly ConfigurationMember[],
): readonly ConfigurationMember[] {
  const known = new Set(membersOf(configuration).map(({ replicaId }) => replicaId));
  return seen
    .filter(({ replicaId }) => !known.has(replicaId))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** A server among the members of gossip: it says so in its tags. */
export function replicaOf(
  { name, tags }: Pick<Member, "name" | "tags">,
  named: { readonly role: string; readonly isRole: string; readonly replicaId: string },
): ConfigurationMember | undefined {
  const replicaId = Number(tags[named.replicaId]);
  if (tags[named.role] !== named.isRole || !Number.isSafeInteger(replicaId) || replicaId <= 0) {
    return undefined;
  }
  return { name, replicaId };
}
