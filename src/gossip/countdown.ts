import type { Context } from "./context.ts";
import type { SwimMember } from "./member.ts";
import { type Suspicion, suspicionMinMs, suspicionMs } from "./suspicion.ts";

/** Questions before a declaration of death, half a second apart. */
const LAST_QUESTIONS = 4;

/** From a suspicion to a death, unless the suspect objects. */
export class Countdown {
  /** Asks a suspect once more, before it is declared dead; set by the prober. */
  askOnceMore: (member: SwimMember) => void = () => undefined;
  readonly #context: Context;
  /** Its time is over. */
  readonly #end: (member: SwimMember) => void;

  constructor(context: Context, end: (member: SwimMember) => void) {
    this.#context = context;
    this.#end = end;
  }

  /** Sets the suspicion's end anew, or brings it about when it has passed. */
  set(member: SwimMember, suspicion: Suspicion): void {
    const { profile, members, now } = this.#context;
    const { suspicionMultiplier, suspicionMaxMultiplier, probeIntervalMs } = profile;
    const minMs = suspicionMinMs(suspicionMultiplier, members.size, probeIntervalMs);
    const maxMs = minMs * suspicionMaxMultiplier;
    const ms = suspicionMs(suspicion.confirmations, suspicion.expected, minMs, maxMs);
    const ticksLeft = suspicion.startTick + this.#context.ticks(ms) - now;
    member.suspicionTask?.cancel();
    if (ticksLeft <= 0) this.#end(member);
    else this.#countDown(member, ticksLeft);
  }

  /** It is believed to live, or to be gone. */
  stop(member: SwimMember): void {
    member.suspicionTask?.cancel();
    member.suspicionTask = undefined;
    member.suspicion = undefined;
  }

  /**
   * Most who wait have the suspicion from others and may have missed the refutation, so before the end
   * each asks for itself. A real death costs everybody a few packets more.
   */
  #countDown(member: SwimMember, ticksLeft: number): void {
    const step = this.#context.ticks(this.#context.profile.probeTimeoutMs);
    const asked = Math.min(LAST_QUESTIONS, Math.floor((ticksLeft - 1) / step));
    const later = (ticks: number, left: number): void => {
      member.suspicionTask = this.#context.schedule.after(ticks, () => {
        if (left === 0) {
          this.#end(member);
          return;
        }
        this.askOnceMore(member);
        later(step, left - 1);
      });
    };
    later(ticksLeft - asked * step, asked);
  }
}
