import { limits } from "../base/index.ts";
import type { Context } from "./context.ts";
import type { LamportClock } from "./lamport.ts";
import type { SwimMember } from "./member.ts";
import type { Address, JoinIntent, LeaveIntent, MemberStatus, Versions } from "./message.ts";
import type { Member, MemberEventKind } from "./ready.ts";

/** What Serf knows of a member: longer, and by what it intended. */
export interface RosterEntry {
  readonly name: string;
  address: Address;
  meta: Uint8Array;
  versions: Versions;
  status: MemberStatus;
  /** Lamport time of the newest intent that was believed. */
  statusTime: number;
  /** When it failed or left. */
  goneTick: number;
}

interface BufferedIntent {
  readonly leaving: boolean;
  readonly time: number;
  readonly tick: number;
}

/**
 * Members as Serf sees them. SWIM says that somebody is gone; the roster says why: who told a leave
 * intent before has left, the others have failed. Intents are ordered by a Lamport clock, because
 * gossip brings them in any order.
 */
export class Roster {
  readonly clock: LamportClock;
  readonly #context: Context;
  readonly #entries = new Map<string, RosterEntry>();
  /** Intents that came before their member. */
  readonly #intents = new Map<string, BufferedIntent>();
  /** We are accused of leaving, and are not. */
  readonly #objectToLeave: () => void;
  leaving = false;
  /** When room was last looked for. */
  #sweptTick = -1;

  constructor(context: Context, clock: LamportClock, objectToLeave: () => void) {
    this.#context = context;
    this.clock = clock;
    this.#objectToLeave = objectToLeave;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(name: string): RosterEntry | undefined {
    return this.#entries.get(name);
  }

  values(): IterableIterator<RosterEntry> {
    return this.#entries.values();
  }

  with(...statuses: readonly MemberStatus[]): RosterEntry[] {
    return [...this.#entries.values()].filter(({ status }) => statuses.includes(status));
  }

  /** Whether one more may be remembered: when all places are taken, those who are longest gone make room. */
  hasRoomFor(name: string): boolean {
    const isThere = this.#entries.has(name) || this.#entries.size < limits.gossipMembersMax;
    if (isThere || this.#sweptTick === this.#context.now) return isThere;
    this.#sweptTick = this.#context.now;
    const gone = this.with("left", "failed").sort((a, b) => a.goneTick - b.goneTick);
    // Some at once, so that a flood of names does not cost a sort for each.
    for (const entry of gone.slice(0, limits.gossipMembersMax / 8)) this.#reap(entry);
    return this.#entries.size < limits.gossipMembersMax;
  }

  joined(member: SwimMember): void {
    const { name, address, meta, versions } = member;
    const known = this.#entries.get(name);
    if (known === undefined) {
      const intent = this.#intents.get(name);
      this.#intents.delete(name);
      const status = intent?.leaving === true ? "leaving" : "alive";
      const statusTime = intent?.time ?? 0;
      this.#entries.set(name, { name, address, meta, versions, status, statusTime, goneTick: 0 });
    } else {
      Object.assign(known, { address, meta, versions, status: "alive", goneTick: 0 });
    }
    this.#tell("join", this.#entries.get(name) as RosterEntry);
  }

  updated({ name, address, meta, versions }: SwimMember): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    Object.assign(entry, { address, meta, versions });
    this.#tell("update", entry);
  }

  gone({ name }: SwimMember): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    entry.goneTick = this.#context.now;
    if (entry.status === "leaving") {
      entry.status = "left";
      this.#tell("leave", entry);
    } else if (entry.status === "alive") {
      entry.status = "failed";
      this.#tell("failed", entry);
    }
  }

  /** True: it was news, and is to be told to others. */
  joinIntent({ name, time }: JoinIntent): boolean {
    this.clock.witness(time);
    const entry = this.#entries.get(name);
    if (entry === undefined) return this.#buffer(name, false, time);
    if (time <= entry.statusTime) return false;
    entry.statusTime = time;
    if (entry.status === "leaving") entry.status = "alive";
    return true;
  }

  leaveIntent({ name, time, prune }: LeaveIntent): boolean {
    this.clock.witness(time);
    const entry = this.#entries.get(name);
    if (entry === undefined) return this.#buffer(name, true, time);
    if (time <= entry.statusTime) return false;
    if (name === this.#context.name && !this.leaving) {
      this.#objectToLeave();
      return false;
    }
    entry.statusTime = time;
    if (entry.status === "alive") {
      entry.status = "leaving";
    } else if (entry.status === "failed") {
      entry.status = "left";
      this.#tell("leave", entry);
    }
    if (prune && entry.status === "left") this.#reap(entry);
    return true;
  }

  /** Forgets who is gone for a day, and intents about members that never came. */
  sweep(): void {
    const { now } = this.#context;
    const keptTicks = this.#context.ticks(limits.gossipMemberKeptMs);
    for (const entry of this.with("left", "failed")) {
      if (now - entry.goneTick > keptTicks) this.#reap(entry);
    }
    const intentTicks = this.#context.ticks(limits.gossipIntentKeptMs);
    for (const [name, { tick }] of this.#intents) {
      if (now - tick > intentTicks) this.#intents.delete(name);
    }
  }

  view({ name, address, meta, versions, status }: RosterEntry): Member {
    return { name, address, tags: this.#context.codec.decodeTags(meta), versions, status };
  }

  #buffer(name: string, leaving: boolean, time: number): boolean {
    const known = this.#intents.get(name);
    if (known !== undefined && time <= known.time) return false;
    if (known === undefined && this.#intents.size >= limits.gossipIntentsMax) {
      this.#context.outbox.count("intent_limit");
      return false;
    }
    this.#intents.set(name, { leaving, time, tick: this.#context.now });
    return true;
  }

  #reap(entry: RosterEntry): void {
    this.#entries.delete(entry.name);
    this.#tell("reap", entry);
  }

  #tell(kind: MemberEventKind, entry: RosterEntry): void {
    this.#context.outbox.event({ kind, member: this.view(entry) });
  }
}
