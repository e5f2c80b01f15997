import { limits } from "../base/index.ts";
import type { Context } from "./context.ts";
import type { SwimMember } from "./member.ts";
import type { LeaveIntent, PacketMessage } from "./message.ts";
import type { Roster } from "./roster.ts";
import type { Sender } from "./sender.ts";
import type { MemberStates } from "./states.ts";

/**
 * Leaving, so that nobody takes it for a crash: first the intent is told to everybody, then that we are
 * gone, and then probes are answered for a while, so that nobody who has not heard it suspects us. The
 * pause between the two matters: peers read the newest message first, and would see a death before its
 * reason.
 */
export class Leave {
  phase: "alive" | "leaving" | "left" = "alive";
  readonly #context: Context;
  readonly #sender: Sender;
  readonly #states: MemberStates;
  readonly #roster: Roster;
  #time = 0;

  constructor(context: Context, sender: Sender, states: MemberStates, roster: Roster) {
    this.#context = context;
    this.#sender = sender;
    this.#states = states;
    this.#roster = roster;
  }

  begin(): void {
    if (this.phase !== "alive") return;
    this.phase = "leaving";
    this.#roster.leaving = true;
    const { schedule } = this.#context;
    this.#time = this.#roster.clock.increment();
    const intent = this.#intent();
    this.#roster.leaveIntent(intent);
    if (!this.#hasOthers()) {
      // Nobody is there to be told; the event still comes after this call.
      schedule.after(1, () => this.#say());
      return;
    }
    const pause = this.#context.ticks(this.#context.profile.leavePauseMs);
    const say = once(() => this.#say());
    this.#tell({ kind: "user", message: intent });
    this.#sender.broadcastSerf("intents", intent, () => schedule.after(pause, say));
    schedule.after(this.#context.ticks(limits.gossipLeaveTimeoutMs), say);
  }

  #say(): void {
    const { name, schedule } = this.#context;
    const { self } = this.#states;
    const { incarnation } = self;
    self.leaving = true;
    const end = once(() => this.#answerOn());
    const lastWord = { kind: "dead", name, incarnation, from: name } as const;
    this.#sender.farewell = [{ kind: "user", message: this.#intent() }, lastWord];
    this.#states.dead(lastWord, end);
    this.#tell(lastWord);
    if (!this.#hasOthers()) {
      end();
      return;
    }
    schedule.after(this.#context.ticks(limits.gossipLeaveTimeoutMs), end);
  }

  /** Besides gossip, which in a small cluster is short-lived: so many are told by us. */
  #tell(message: PacketMessage): void {
    const { members, codec } = this.#context;
    const bytes = codec.encodePacket(message);
    const hearers = members.deal(limits.gossipFarewellsMax, (member) => this.#isOther(member));
    for (const { address, name } of hearers) this.#sender.sendParts(address, name, [bytes]);
  }

  #intent(): LeaveIntent {
    return { kind: "leave-intent", time: this.#time, name: this.#context.name, prune: false };
  }

  #answerOn(): void {
    const { schedule, outbox, profile } = this.#context;
    schedule.after(this.#context.ticks(profile.leaveAnswerMs), () => {
      this.phase = "left";
      outbox.event({ kind: "left" });
    });
  }

  #hasOthers(): boolean {
    return this.#context.members.values().some((member) => this.#isOther(member));
  }

  #isOther({ name, state }: SwimMember): boolean {
    return name !== this.#context.name && (state === "alive" || state === "suspect");
  }
}

function once(run: () => void): () => void {
  let ran = false;
  return () => {
    if (ran) return;
    ran = true;
    run();
  };
}
