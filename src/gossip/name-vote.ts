import { limits } from "../base/index.ts";
import type { Context } from "./context.ts";
import { sameAddress } from "./member.ts";
import type { ConflictResponse } from "./message.ts";
import { INTERNAL_PREFIX, type Queries } from "./queries.ts";
import type { IncomingQuery } from "./ready.ts";
import type { Roster } from "./roster.ts";

export const CONFLICT_QUERY: string = `${INTERNAL_PREFIX}conflict`;

/**
 * Two members with one name cannot be told apart by gossip. So when another claims ours, everybody is
 * asked whose it is, and the one whom the majority does not know stops.
 */
export class NameVote {
  readonly #context: Context;
  readonly #queries: Queries;
  readonly #roster: Roster;
  #nextTick = 0;

  constructor(context: Context, queries: Queries, roster: Roster) {
    this.#context = context;
    this.#queries = queries;
    this.#roster = roster;
  }

  /** Not more often than now and then: a forger must not make us flood the cluster. */
  call(): void {
    const { name, now, codec, address, outbox } = this.#context;
    if (now < this.#nextTick || this.#queries.isFull) return;
    this.#nextTick = now + this.#context.ticks(limits.gossipConflictIntervalMs);
    let asked = 0;
    let forUs = 0;
    const payload = new TextEncoder().encode(name);
    this.#queries.ask(
      { name: CONFLICT_QUERY, payload },
      {
        responded: (_from, bytes) => {
          const answer = codec.decodeSerf(bytes);
          if (answer?.kind !== "conflict-response") return;
          asked += 1;
          if (answer.member !== null && sameAddress(answer.member.address, address)) forUs += 1;
        },
        done: () => {
          // Alone, nobody says that the name is another's. (Serf would stop here.)
          if (asked === 0 || forUs > asked / 2) return;
          outbox.event({ kind: "conflict-lost", membersFor: forUs, membersAsked: asked });
        },
      },
    );
  }

  /** Somebody asks whose a name is. Whose name it is does not vote. */
  answer(query: IncomingQuery): void {
    const name = new TextDecoder().decode(query.payload);
    if (name === this.#context.name) return;
    const entry = this.#roster.get(name);
    // Only the address counts; without tags the answer always fits.
    const member = entry === undefined ? null : { ...this.#roster.view(entry), tags: {} };
    const response: ConflictResponse = { kind: "conflict-response", member };
    this.#queries.respond(query, this.#context.codec.encodeSerf(response));
  }
}
