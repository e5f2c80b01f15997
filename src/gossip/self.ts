import { equalBytes } from "../base/index.ts";
import type { Context } from "./context.ts";
import type { SwimMember } from "./member.ts";
import type { Alive, Dead } from "./message.ts";
import type { Sender } from "./sender.ts";

/** What we say of ourselves, and how we answer what others say of us. */
export class Self {
  /** Set before our own leave is told: from then on we let them say that we are gone. */
  leaving = false;
  incarnation = 1;
  meta: Uint8Array;
  readonly #context: Context;
  readonly #sender: Sender;

  constructor(context: Context, sender: Sender, meta: Uint8Array) {
    this.#context = context;
    this.#sender = sender;
    this.meta = meta;
  }

  /** That we live, as of now. */
  alive(): Alive {
    const { name, address, versions } = this.#context;
    const { incarnation, meta } = this;
    return { kind: "alive", name, address, versions, incarnation, meta };
  }

  /** Somebody says that we are alive: our own word coming back, or an earlier life of ours. */
  calledAlive(member: SwimMember, claim: Alive): void {
    if (claim.incarnation < member.incarnation) return;
    const same =
      claim.incarnation === member.incarnation &&
      equalBytes(claim.meta, member.meta) &&
      equalBytes(claim.versions, member.versions);
    if (!same) this.refute(claim.incarnation);
  }

  /** We live: an incarnation above the accusation's says so. That we were accused says that we are slow. */
  refute(accused: number): void {
    this.incarnation = Math.max(this.incarnation, accused) + 1;
    this.#context.awareness.apply(1);
    this.#context.outbox.count("refuted");
    const self = this.#context.members.get(this.#context.name);
    if (self !== undefined) self.incarnation = this.incarnation;
    this.#sender.broadcastMember(this.alive(), this.#context.name);
  }

  /** Whoever says that we died in an earlier incarnation missed our refutation: it is told again. */
  answerOldDeath(claim: Dead): void {
    if (claim.name !== this.#context.name || this.leaving) return;
    if (this.#sender.isTelling(claim.name)) return;
    this.#sender.broadcastMember(this.alive(), claim.name);
  }
}
