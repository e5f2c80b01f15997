import { below, limits } from "../base/index.ts";
import type { Context } from "./context.ts";
import type { Address, MemberRow, PushPull, SerfState } from "./message.ts";
import type { MemberStates } from "./states.ts";
import type { Streams } from "./streams.ts";

/** Above so many members the interval grows with each doubling. */
const SCALE_MEMBERS = 32;

/** Serf's half of a push/pull. */
export interface StateExchange {
  local(): SerfState;
  merge(state: SerfState, join: boolean, ignoreOld: boolean): void;
}

export interface ExchangeEnd {
  done(membersCount: number): void;
  failed(text: string): void;
}

/** How long after one push/pull the next one comes, so that a large cluster is not busy with them. */
export function pushPullIntervalMs(intervalMs: number, membersCount: number): number {
  if (membersCount <= SCALE_MEMBERS) return intervalMs;
  return intervalMs * (Math.ceil(Math.log2(membersCount) - Math.log2(SCALE_MEMBERS)) + 1);
}

/**
 * Whole states, exchanged with one member over TCP: at a join, and now and then, which mends what
 * gossip, being a matter of chance, has missed.
 */
export class PushPuller {
  readonly #context: Context;
  readonly #states: MemberStates;
  readonly #streams: Streams;
  readonly #serf: StateExchange;
  #busy = false;

  constructor(context: Context, states: MemberStates, streams: Streams, serf: StateExchange) {
    this.#context = context;
    this.#states = states;
    this.#streams = streams;
    this.#serf = serf;
  }

  start(): void {
    const interval = (): number => {
      const { profile, members } = this.#context;
      return this.#context.ticks(pushPullIntervalMs(profile.pushPullIntervalMs, members.size));
    };
    const first = 1 + below(this.#context.random, interval());
    this.#context.schedule.every(first, interval, () => this.#sync());
  }

  /** Exchanges states with whoever is there. Returns the number of the stream. */
  join(to: Address, ignoreOld: boolean, end: ExchangeEnd): number {
    return this.#exchange(to, true, ignoreOld, end);
  }

  /** A peer's push. It gets an answer even when what it says is refused: so does memberlist. */
  answer(push: PushPull): PushPull {
    // The answer is what we knew before; so the peer does not get its own words back.
    const local = this.#local(false);
    this.#merge(push, push.join, false);
    return local;
  }

  #sync(): void {
    const { members, name } = this.#context;
    if (this.#busy || this.#states.self.leaving) return;
    const [member] = members.pick(1, (each) => each.name !== name && each.state === "alive");
    if (member === undefined) return;
    this.#busy = true;
    const end = (): void => {
      this.#busy = false;
    };
    this.#exchange(member.address, false, false, { done: end, failed: end });
  }

  #exchange(to: Address, join: boolean, ignoreOld: boolean, end: ExchangeEnd): number {
    const timeoutMs = this.#context.profile.streamTimeoutMs;
    return this.#streams.open(to, this.#local(join), timeoutMs, {
      replied: (message) => {
        if (message.kind === "error") {
          end.failed(message.text);
          return;
        }
        if (message.kind !== "push-pull") {
          end.failed(`the answer is a ${message.kind}`);
          return;
        }
        const merged = this.#merge(message, join, ignoreOld);
        if (merged) end.done(message.members.length);
        else end.failed("the peer's protocol versions do not fit ours");
      },
      failed: (text) => end.failed(text),
    });
  }

  #local(join: boolean): PushPull {
    return { kind: "push-pull", join, members: this.#states.rows(), serf: this.#serf.local() };
  }

  #merge(remote: PushPull, join: boolean, ignoreOld: boolean): boolean {
    const { outbox, members } = this.#context;
    const known = members.values().filter((member) => member.state === "alive");
    const fits = remote.members.length <= limits.gossipMembersMax;
    if (!fits || !versionsFit([...remote.members.filter(isAlive), ...known])) {
      outbox.count("push_pull_refused");
      return false;
    }
    this.#states.merge(remote.members);
    if (remote.serf !== undefined) this.#serf.merge(remote.serf, join, ignoreOld);
    return true;
  }
}

function isAlive(row: MemberRow): boolean {
  return row.state === "alive";
}

/** Everybody must speak a version that everybody understands, of memberlist and of Serf. */
function versionsFit(members: readonly { readonly versions: Uint8Array }[]): boolean {
  for (const [min, max, current] of [
    [0, 1, 2],
    [3, 4, 5],
  ] as const) {
    let lowest = 0;
    let highest = 255;
    for (const { versions } of members) {
      lowest = Math.max(lowest, versions[min] ?? 0);
      highest = Math.min(highest, versions[max] ?? 0);
    }
    for (const { versions } of members) {
      const spoken = versions[current] ?? 0;
      if (spoken < lowest || spoken > highest) return false;
    }
  }
  return true;
}
