import { limits } from "../base/index.ts";
import type { Context } from "./context.ts";
import { sameAddress } from "./member.ts";
import type { Address, ConflictResponse } from "./message.ts";
import { INTERNAL_PREFIX, type Queries } from "./queries.ts";
import type { IncomingQuery } from "./ready.ts";
import type { Roster } from "./roster.ts";

export const CONFLICT_QUERY: string = `${INTERNAL_PREFIX}conflict`;

/** Asks for `ms` whether one of that name answers there. */
export type Call = (to: Address, name: string, ms: number, answered: () => void) => void;

/**
 * Two members with one name cannot be told apart by gossip. So when another claims ours, everybody is
 * asked whose it is, and the one whom the majority does not know stops: if the other one answers. The
 * majority also names our former address, as long as nobody has noticed the crash that we come from,
 * and then there is nobody to make room for. (Serf stops there too.)
 */
export class NameVote {
  readonly #context: Context;
  readonly #queries: Queries;
  readonly #roster: Roster;
  readonly #call: Call;
  #nextTick = 0;

  constructor(context: Context, queries: Queries, roster: Roster, call: Call) {
    this.#context = context;
    this.#queries = queries;
    this.#roster = roster;
    this.#call = call;
  }

  /** Not more often than now and then: a forger must not make us flood the cluster. */
  begin(claimed: Address): void {
    const { name, now, codec, address, outbox } = this.#context;
    if (now < this.#nextTick || this.#queries.isFull) return;
    this.#nextTick = now + this.#context.ticks(limits.gossipConflictIntervalMs);
    let asked = 0;
    let forUs = 0;
    let isOtherThere = false;
    this.#call(claimed, name, limits.gossipConflictIntervalMs / 2, () => (isOtherThere = true));
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
          if (asked === 0 || forUs > asked / 2 || !isOtherThere) return;
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
