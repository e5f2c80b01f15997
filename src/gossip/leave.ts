import { limits } from "../base/index.ts";
import type { Context } from "./context.ts";
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
    const { name, schedule } = this.#context;
    const time = this.#roster.clock.increment();
    const intent = { kind: "leave-intent", time, name, prune: false } as const;
    this.#roster.leaveIntent(intent);
    if (!this.#hasOthers()) {
      // Nobody is there to be told; the event still comes after this call.
      schedule.after(1, () => this.#say());
      return;
    }
    const pause = this.#context.ticks(limits.gossipLeavePauseMs);
    const say = once(() => this.#say());
    this.#sender.broadcastSerf("intents", intent, () => schedule.after(pause, say));
    schedule.after(this.#context.ticks(limits.gossipLeaveTimeoutMs), say);
  }

  #say(): void {
    const { name, schedule } = this.#context;
    const { incarnation } = this.#states;
    this.#states.leaving = true;
    const end = once(() => this.#answerOn());
    this.#states.dead({ kind: "dead", name, incarnation, from: name }, end);
    if (!this.#hasOthers()) {
      end();
      return;
    }
    schedule.after(this.#context.ticks(limits.gossipLeaveTimeoutMs), end);
  }

  #answerOn(): void {
    const { schedule, outbox } = this.#context;
    schedule.after(this.#context.ticks(limits.gossipLeaveAnswerMs), () => {
      this.phase = "left";
      outbox.event({ kind: "left" });
    });
  }

  #hasOthers(): boolean {
    const { members, name } = this.#context;
    return members
      .values()
      .some(
        (member) =>
          member.name !== name && (member.state === "alive" || member.state === "suspect"),
      );
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
