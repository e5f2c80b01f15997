import { limits, membersOf, ProglogError, systemClock } from "../base/index.ts";
import type { Clock, ConfigurationMember, Observer } from "../base/index.ts";
import { candidates, nextStep } from "../membership/index.ts";
import type { ReconcileStep } from "../membership/index.ts";
import type { Replica } from "../replica/index.ts";
import type { HelloAnswer } from "../transport/index.ts";
import type { Links } from "./links.ts";
import { replicasSeen } from "./peer-addresses.ts";
import type { MembersSeen } from "./ports.ts";

export interface ReconcilerParts {
  readonly replica: Replica;
  readonly membership: MembersSeen;
  readonly links: Links;
  readonly observer: Observer;
  readonly clock?: Clock | undefined;
}

/**
 * Lets servers in that gossip has brought, while this one leads. What gossip says of a server is no
 * right: it is dialled, and only one that lets us in, under that name, is asked for in the log.
 */
export class Reconciler implements AsyncDisposable {
  readonly #parts: ReconcilerParts;
  readonly #clock: Clock;
  /** Servers that let us in and belonged to no cluster then. */
  readonly #new = new Set<number>();
  readonly #unsubscribe: readonly (() => void)[];
  #running: Promise<void> | undefined;
  #cancelTimer: (() => void) | undefined;
  #isClosed = false;
  /** Why somebody was not let in, by his id: said once, until it is another reason. */
  readonly #complaints = new Map<number, string>();

  constructor(parts: ReconcilerParts) {
    this.#parts = parts;
    this.#clock = parts.clock ?? systemClock;
    const look = (): void => this.look();
    this.#unsubscribe = [parts.membership.subscribe(look), parts.replica.onChange(look)];
    this.look();
  }

  /** A server said who it is, or that it will not have us. */
  answered({ replicaId }: ConfigurationMember, answer: HelloAnswer): void {
    const isNew = answer.kind === "welcome" && answer.from.clusterId === "";
    if (!isNew) this.#new.delete(replicaId);
    else if (!this.#new.has(replicaId)) {
      this.#new.add(replicaId);
      this.look();
    }
  }

  /** Soon: something may have to be done. */
  look(): void {
    if (this.#isClosed || this.#running !== undefined || !this.#parts.replica.isLeading) return;
    this.#cancelTimer?.();
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
      // While others are there that do not vote, they are looked at again.
      if (this.#isClosed || !this.#parts.replica.isLeading || !this.#hasOpenEnds()) return;
      this.#cancelTimer = this.#clock.after(limits.reconcileIntervalMs, () => this.look());
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelTimer?.();
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  get #seen(): readonly ConfigurationMember[] {
    return replicasSeen(this.#parts.membership);
  }

  #hasOpenEnds(): boolean {
    const { configuration } = this.#parts.replica.status;
    const voters = new Set(configuration.voters.map(({ replicaId }) => replicaId));
    const isVoter = ({ replicaId }: ConfigurationMember): boolean => voters.has(replicaId);
    return [...membersOf(configuration), ...this.#seen].some((member) => !isVoter(member));
  }

  async #run(): Promise<void> {
    // Not within the event that told of it.
    await Promise.resolve();
    const refused = new Set<number>();
    for (;;) {
      const { replica, links } = this.#parts;
      if (this.#isClosed || !replica.isLeading) return;
      const { configuration } = replica.status;
      const seen = this.#seen;
      this.#forgetComplaints([...membersOf(configuration), ...seen]);
      for (const candidate of candidates(configuration, seen)) links.links.learn(candidate);
      const step = nextStep({
        configuration,
        seen,
        isNew: ({ replicaId }) =>
          !refused.has(replicaId) && this.#new.has(replicaId) && links.links.isOpen(replicaId),
        isCaughtUp: ({ replicaId }) =>
          !refused.has(replicaId) &&
          replica.members.isCaughtUp(replicaId) &&
          replica.members.silentMs(replicaId) < limits.promotedSilentMs,
      });
      if (step === undefined) return;
      // Who is refused keeps nobody else out; he has his next turn with everybody.
      if (!(await this.#do(step))) refused.add(step.member.replicaId);
    }
  }

  #forgetComplaints(present: readonly ConfigurationMember[]): void {
    const ids = new Set(present.map(({ replicaId }) => replicaId));
    for (const id of this.#complaints.keys()) if (!ids.has(id)) this.#complaints.delete(id);
  }

  /** Whether it was done; what was not is tried again later. */
  async #do({ kind, member }: ReconcileStep): Promise<boolean> {
    const { replica, observer } = this.#parts;
    const { name, replicaId } = member;
    try {
      if (kind === "addLearner") await replica.members.addLearner(member);
      else await replica.members.promote(replicaId);
      observer.log("info", kind === "promote" ? "replica.votes" : "replica.added", {
        replica: name,
        replica_id: replicaId,
      });
      this.#complaints.delete(replicaId);
      return true;
    } catch (error) {
      if (!(error instanceof ProglogError)) throw error;
      if (error.message !== this.#complaints.get(replicaId)) {
        this.#complaints.set(replicaId, error.message);
        observer.log("warn", "replica.not-let-in", { replica: name, reason: error.message });
      }
      return false;
    }
  }
}
