import type { Report } from "./observation.ts";

interface Member {
  readonly replicaId: number;
  readonly name: string;
}

/** Who takes part, as one server applied it. */
export interface Participation {
  readonly commitIndex: number;
  readonly voters: readonly Member[];
  readonly votersOutgoing: readonly Member[];
  readonly learners: readonly Member[];
}

/**
 * B2, B3, I12: a learner votes only after it has everything that was committed when it came in; one
 * name has one vote; and whoever was removed does not come back under the same id.
 */
export class Participants {
  readonly #report: Report;
  /** By replica id: what was committed when somebody first saw it learn. */
  readonly #learned: Map<number, number> = new Map();
  readonly #voted: Set<number> = new Set();
  /** By server and life: who took part, and who did not any more. */
  readonly #present: Map<string, { life: number; present: Set<number>; gone: Set<number> }> =
    new Map();

  constructor(report: Report) {
    this.#report = report;
  }

  /** `durableEndOf` tells how far a replica's log is durable; undefined where nobody can say. */
  observed(
    server: string,
    life: number,
    participation: Participation,
    durableEndOf: (replicaId: number) => number | undefined,
  ): void {
    const { commitIndex, voters, votersOutgoing, learners } = participation;
    for (const { replicaId } of learners) {
      if (!this.#learned.has(replicaId)) this.#learned.set(replicaId, commitIndex);
    }
    for (const voter of voters) this.#checkVoter(voter, durableEndOf);
    const names = new Set(voters.map(({ name }) => name));
    if (names.size < voters.length) {
      this.#report("B3", `${server} sees two voters of one name: ${listOf(voters)}`);
    }
    this.#checkReturn(server, life, [...voters, ...votersOutgoing, ...learners]);
  }

  #checkVoter({ replicaId, name }: Member, durableEndOf: (id: number) => number | undefined): void {
    if (this.#voted.has(replicaId)) return;
    this.#voted.add(replicaId);
    const needed = this.#learned.get(replicaId);
    if (needed === undefined) return;
    const end = durableEndOf(replicaId);
    if (end === undefined || end >= needed) return;
    const message = `${name} (${replicaId}) votes with a log up to ${end}, and ${needed} was committed when it came in`;
    this.#report("B2", message);
  }

  #checkReturn(server: string, life: number, members: readonly Member[]): void {
    let known = this.#present.get(server);
    if (known?.life !== life) {
      known = { life, present: new Set(), gone: new Set() };
      this.#present.set(server, known);
    }
    const present = new Set(members.map(({ replicaId }) => replicaId));
    for (const id of known.present) if (!present.has(id)) known.gone.add(id);
    for (const id of present) {
      if (known.gone.has(id)) this.#report("I12", `${server} sees ${id} again, which was removed`);
    }
    known.present = present;
  }
}

function listOf(members: readonly Member[]): string {
  return members.map(({ name, replicaId }) => `${name} (${replicaId})`).join(", ");
}
