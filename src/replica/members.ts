import { encodeConfiguration, limits, membersOf, ProglogError } from "../base/index.ts";
import type { ConfigurationMember } from "../base/index.ts";
import type { ConfigurationOperation, ReplicaId } from "../raft/index.ts";
import type { Consensus } from "./consensus.ts";

interface Change {
  readonly index: number;
  readonly resolve: () => void;
  readonly reject: (error: ProglogError) => void;
}

/**
 * Who takes part, changed by the leader (thesis chapter 4). A member comes in as a learner and votes
 * once it has caught up. A known name with a new id is a replica whose disk was lost: its old self is
 * removed in the same change that lets the new one vote, so that the old promises are counted until
 * the new ones are.
 */
export class Members {
  readonly #consensus: Consensus;
  #changes: Change[] = [];

  constructor(consensus: Consensus) {
    this.#consensus = consensus;
  }

  /**
   * Adds a learner; nothing happens when it takes part already. `CONFIGURATION` until this leader has
   * listened for ten seconds for another replica of this name in vain, or when there are too many.
   */
  async addLearner(member: ConfigurationMember): Promise<void> {
    if (this.#all().some(({ replicaId }) => replicaId === member.replicaId)) return;
    for (const old of this.#namesakes(member)) this.#refuseAlive(old);
    this.#refuseTooMany(member);
    await this.#change([{ kind: "addLearner", member }]);
  }

  /** Lets a learner vote, in place of an earlier replica of its name. `UNAVAILABLE` while it is behind. */
  async promote(replicaId: ReplicaId): Promise<void> {
    const { learners } = this.#consensus.configuration;
    const member = learners.find((learner) => learner.replicaId === replicaId);
    if (member === undefined) throw refused(`replica ${replicaId} is no learner`);
    if (!this.isCaughtUp(replicaId)) {
      throw new ProglogError("UNAVAILABLE", `${member.name} has not caught up yet`);
    }
    const old = this.#namesakes(member);
    for (const namesake of old) this.#refuseAlive(namesake);
    await this.#change([
      { kind: "addVoter", member },
      ...old.map((namesake) => ({ kind: "remove", member: namesake }) as const),
    ]);
  }

  async remove(replicaId: ReplicaId): Promise<void> {
    const member = this.#all().find((each) => each.replicaId === replicaId);
    if (member !== undefined) await this.#change([{ kind: "remove", member }]);
  }

  /** The last index that a follower has acknowledged to this leader. */
  matched(replicaId: ReplicaId): number | undefined {
    return this.#consensus.heard.matched(replicaId);
  }

  /** Whether a follower has all that was committed here when it last said so. */
  isCaughtUp(replicaId: ReplicaId): boolean {
    const matched = this.matched(replicaId);
    return matched !== undefined && matched >= this.#consensus.commitIndex;
  }

  /** How long nothing was heard of a replica, at most since this one has started. */
  silentMs(replicaId: ReplicaId): number {
    return this.#consensus.heard.silentMs(replicaId);
  }

  /** How long this leader has listened for a replica and heard nothing. */
  missedMs(replicaId: ReplicaId): number {
    return this.#consensus.heard.missedMs(replicaId);
  }

  /** More is applied. */
  applied(): void {
    if (this.#changes.length === 0) return;
    const { commitIndex } = this.#consensus;
    for (const { index, resolve } of this.#changes) if (index <= commitIndex) resolve();
    this.#changes = this.#changes.filter(({ index }) => index > commitIndex);
  }

  /** Who asked for a change learns that nobody knows what became of it. */
  leadershipLost(): void {
    // Roles change often, and errors with their stacks are dear.
    if (this.#changes.length === 0) return;
    this.fail(new ProglogError("UNAVAILABLE", "leadership was lost"));
  }

  /** Everything is over. */
  fail(error: ProglogError): void {
    const changes = this.#changes;
    this.#changes = [];
    for (const { reject } of changes) reject(error);
  }

  /** Proposes; resolves once the change is in force here. */
  #change(operations: readonly ConfigurationOperation[]): Promise<void> {
    const index = this.#consensus.proposeConfiguration({
      version: 2,
      transition: "auto",
      operations,
    });
    return new Promise((resolve, reject) => this.#changes.push({ index, resolve, reject }));
  }

  #all(): ConfigurationMember[] {
    return membersOf(this.#consensus.configuration);
  }

  #namesakes({ replicaId, name }: ConfigurationMember): ConfigurationMember[] {
    return this.#all().filter((each) => each.name === name && each.replicaId !== replicaId);
  }

  /** While a change runs, everybody may be named twice; and each replica has to write that down. */
  #refuseTooMany(added: ConfigurationMember): void {
    const voters = [...this.#all(), added];
    const joint = { voters, votersOutgoing: voters, learners: [], learnersNext: [] };
    const { length } = encodeConfiguration({ ...joint, autoLeave: false });
    if (voters.length <= limits.raftMembersMax && length <= limits.configurationBytesMax) return;
    throw refused(`${voters.length} members are more than a cluster can have`);
  }

  #refuseAlive({ replicaId, name }: ConfigurationMember): void {
    const missedMs = this.missedMs(replicaId);
    if (missedMs >= limits.replacedSilentMs) return;
    // No number that changes: whoever asks again is to see that it is the same refusal.
    throw refused(
      `another replica with the name ${name} may be there: it is replaced after ` +
        `${limits.replacedSilentMs / 1_000} s in which its leader hears nothing of it`,
    );
  }
}

function refused(message: string): ProglogError {
  return new ProglogError("CONFIGURATION", message);
}
