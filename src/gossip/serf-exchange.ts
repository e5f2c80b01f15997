import type { EventLog } from "./event-log.ts";
import type { LamportClock } from "./lamport.ts";
import type { SerfState } from "./message.ts";
import type { Roster } from "./roster.ts";

/** The clocks of the three kinds of Serf messages. */
export interface SerfClocks {
  readonly members: LamportClock;
  readonly events: LamportClock;
  readonly queries: LamportClock;
}

/** Serf's half of a push/pull: who stands where, and the last events. */
export function localSerfState(clocks: SerfClocks, roster: Roster, events: EventLog): SerfState {
  const entries = [...roster.values()];
  return {
    kind: "serf-state",
    time: clocks.members.time,
    statusTimes: new Map(entries.map(({ name, statusTime }) => [name, statusTime])),
    leftNames: entries.filter(({ status }) => status === "left").map(({ name }) => name),
    eventTime: clocks.events.time,
    events: events.slots(),
    queryTime: clocks.queries.time,
  };
}

/**
 * Taken in as if the peer had sent each thing alone. Those who left come first, because a join intent
 * of the same Lamport time would make the leave look old.
 */
export function mergeSerfState(
  state: SerfState,
  ignoreOld: boolean,
  clocks: SerfClocks,
  roster: Roster,
  events: EventLog,
): void {
  // A clock shows the next time; what the peer has seen is the one before.
  clocks.members.witness(state.time - 1);
  clocks.events.witness(state.eventTime - 1);
  clocks.queries.witness(state.queryTime - 1);
  const left = new Set(state.leftNames);
  for (const name of left) {
    const time = state.statusTimes.get(name);
    if (time === undefined || !clocks.members.admits(time)) continue;
    roster.leaveIntent({ kind: "leave-intent", time, name, prune: false });
  }
  for (const [name, time] of state.statusTimes) {
    if (left.has(name) || !clocks.members.admits(time)) continue;
    roster.joinIntent({ kind: "join-intent", time, name });
  }
  if (ignoreOld) events.ignoreBefore(state.eventTime);
  for (const { time, events: slot } of state.events) {
    if (!clocks.events.admits(time)) continue;
    for (const { name, payload } of slot) {
      events.take({ kind: "user-event", time, name, payload, coalesce: false });
    }
  }
}
