import { limits } from "../base/index.ts";
import type { Context } from "./context.ts";
import type { SwimMember } from "./member.ts";
import type { Alive, MemberRow } from "./message.ts";
import type { Sender } from "./sender.ts";

interface Tombstone {
  readonly member: SwimMember;
  readonly tick: number;
  reminderTick: number;
}

/**
 * Those who left, after the list has forgotten them. memberlist forgets them after half a minute, and
 * then anybody who was cut off meanwhile brings them back as alive. We remember the incarnation: what is
 * not above it is an old story. If it is no story, and the member has come back with a low incarnation,
 * it is told, and raises it.
 */
export class Tombstones {
  readonly #byName = new Map<string, Tombstone>();
  readonly #context: Context;
  readonly #sender: Sender;

  constructor(context: Context, sender: Sender) {
    this.#context = context;
    this.#sender = sender;
  }

  add(member: SwimMember): void {
    // An incarnation that only a forger can have reached would keep its owner away for a day.
    const { incarnation } = member;
    if (incarnation > limits.gossipIncarnationMax) return;
    if (this.#byName.size >= limits.gossipMembersMax) return;
    const tick = this.#context.now;
    this.#byName.set(member.name, { member, tick, reminderTick: 0 });
  }

  /** True: the claim is of a life that ended. */
  remember(claim: Alive): boolean {
    const tombstone = this.#byName.get(claim.name);
    if (tombstone === undefined) return false;
    if (claim.incarnation > tombstone.member.incarnation) {
      this.#byName.delete(claim.name);
      return false;
    }
    if (this.#context.now >= tombstone.reminderTick) {
      tombstone.reminderTick =
        this.#context.now + this.#context.ticks(limits.gossipReminderIntervalMs);
      const { name, incarnation } = tombstone.member;
      this.#sender.send(claim.address, name, { kind: "dead", name, incarnation, from: name });
    }
    return true;
  }

  rows(): MemberRow[] {
    return [...this.#byName.values()].map(({ member }) => {
      const { name, address, meta, incarnation, versions } = member;
      return { name, address, meta, incarnation, versions, state: "left" };
    });
  }

  sweep(): void {
    const keptTicks = this.#context.ticks(limits.gossipMemberKeptMs);
    for (const [name, { tick }] of this.#byName) {
      if (this.#context.now - tick > keptTicks) this.#byName.delete(name);
    }
  }
}
