import { below, chance, limits } from "../base/index.ts";
import type { Context } from "./context.ts";
import type { Address } from "./message.ts";
import type { Serf } from "./serf.ts";
import type { MemberStates } from "./states.ts";

/**
 * Two slow habits of Serf's: to ask for those who failed, because both sides of a healed partition have
 * stopped talking to each other; and to forget, after a day, those who are gone.
 */
export function startCaretaker(
  context: Context,
  states: MemberStates,
  serf: Serf,
  join: (to: Address) => void,
): void {
  const { schedule, random } = context;
  const reap = context.ticks(limits.gossipReapIntervalMs);
  const sweep = (): void => {
    serf.roster.sweep();
    states.tombstones.sweep();
  };
  schedule.every(reap, () => reap, sweep);

  const reconnect = context.ticks(limits.gossipReconnectIntervalMs);
  const ask = (): void => {
    if (states.self.leaving) return;
    const failed = serf.roster.with("failed");
    const target = failed[below(random, failed.length)];
    if (target === undefined) return;
    // All together ask for each of them about once in an interval, however many there are.
    const alive = Math.max(1, serf.roster.with("alive", "leaving").length);
    if (chance(random, failed.length / alive)) join(target.address);
  };
  schedule.every(1 + below(random, reconnect), () => reconnect, ask);
}
