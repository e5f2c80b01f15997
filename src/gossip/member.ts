import { below, equalBytes, limits, type Random } from "../base/index.ts";
import type { Address, MemberState, Versions } from "./message.ts";
import type { Suspicion } from "./suspicion.ts";
import type { Task } from "./schedule.ts";

/** What SWIM knows of a member. */
export interface SwimMember {
  readonly name: string;
  address: Address;
  meta: Uint8Array;
  versions: Versions;
  incarnation: number;
  state: MemberState;
  /** When it came into this state. */
  stateTick: number;
  suspicion: Suspicion | undefined;
  suspicionTask: Task | undefined;
  /** Where another one claims its name, while it is believed to live. */
  claimant: Address | undefined;
  /** When a claimant of one who is gone may be told so again. */
  reminderTick: number;
}

/** Where an IPv4 address begins in one of 16 bytes: zeros, and two bytes of ones before it. */
const MAPPED_AT = 12;

/** One address, however it is written: Go sends IPv4 in 4 bytes or in 16. */
export function sameAddress(a: Address, b: Address): boolean {
  return a.port === b.port && equalBytes(shortest(a.ip), shortest(b.ip));
}

function shortest(ip: Uint8Array): Uint8Array {
  const isMapped =
    ip.length === 16 &&
    ip.subarray(0, MAPPED_AT).every((byte, at) => byte === (at < MAPPED_AT - 2 ? 0 : 0xff));
  return isMapped ? ip.subarray(MAPPED_AT) : ip;
}

export function isAddress({ ip, port }: Address): boolean {
  return (ip.length === 4 || ip.length === 16) && port > 0 && port < 65_536;
}

/** Serf allows 128 characters. */
export function isMemberName(name: string): boolean {
  return name !== "" && name.length <= limits.gossipNameCharsMax;
}

/**
 * The members, and the ring in which they are probed: shuffled, so that everybody is probed once in a
 * round, and nobody at the same time by all. (SWIM, section 4.3.)
 */
export class MemberList {
  readonly #byName = new Map<string, SwimMember>();
  readonly #ring: SwimMember[] = [];
  readonly #random: Random;
  #next = 0;
  #deck: SwimMember[] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  get size(): number {
    return this.#byName.size;
  }

  get(name: string): SwimMember | undefined {
    return this.#byName.get(name);
  }

  values(): readonly SwimMember[] {
    return this.#ring;
  }

  /** At a random place of the ring, so that a new one is not always the last to be probed. */
  add(member: SwimMember): void {
    this.#byName.set(member.name, member);
    for (const list of [this.#ring, this.#deck]) {
      list.push(member);
      swap(list, below(this.#random, list.length), list.length - 1);
    }
  }

  /** The next to be probed; at the end of each round `isForgotten` members go, and the rest is shuffled. */
  nextToProbe(
    isProbed: (member: SwimMember) => boolean,
    isForgotten: (member: SwimMember) => boolean,
  ): SwimMember | undefined {
    for (let tried = 0; tried < this.#ring.length; tried++) {
      if (this.#next >= this.#ring.length) {
        this.#beginRound(isForgotten);
        if (this.#ring.length === 0) return undefined;
      }
      const member = this.#ring[this.#next++] as SwimMember;
      if (isProbed(member)) return member;
    }
    return undefined;
  }

  /**
   * Up to `count` members that fit, dealt from a shuffled deck: everybody has a turn before anybody has
   * a second. A message that is sent to few is so not sent to the same few.
   */
  deal(count: number, fits: (member: SwimMember) => boolean): SwimMember[] {
    const dealt: SwimMember[] = [];
    for (let decks = 0; decks < 2 && dealt.length < count; decks++) {
      for (let member = this.#deck.pop(); member !== undefined; member = this.#deck.pop()) {
        const known = this.#byName.get(member.name) === member;
        if (known && fits(member) && !dealt.includes(member)) dealt.push(member);
        if (dealt.length === count) return dealt;
      }
      this.#deck = [...this.#ring];
      shuffle(this.#deck, this.#random);
    }
    return dealt;
  }

  /** Up to `count` different members that fit, at random. */
  pick(count: number, fits: (member: SwimMember) => boolean): SwimMember[] {
    const picked: SwimMember[] = [];
    const ring = this.#ring;
    // A few blind tries cost less than sorting everybody out; who is not found is left out this time.
    for (let tries = 0; tries < 3 * ring.length && picked.length < count; tries++) {
      const member = ring[below(this.#random, ring.length)] as SwimMember;
      if (fits(member) && !picked.includes(member)) picked.push(member);
    }
    return picked;
  }

  #beginRound(isForgotten: (member: SwimMember) => boolean): void {
    const kept = this.#ring.filter((member) => {
      if (!isForgotten(member)) return true;
      this.#byName.delete(member.name);
      return false;
    });
    this.#ring.splice(0, this.#ring.length, ...kept);
    shuffle(this.#ring, this.#random);
    this.#next = 0;
  }
}

function shuffle(members: SwimMember[], random: Random): void {
  for (let at = members.length - 1; at > 0; at--) swap(members, below(random, at + 1), at);
}

function swap(members: SwimMember[], a: number, b: number): void {
  const member = members[a] as SwimMember;
  members[a] = members[b] as SwimMember;
  members[b] = member;
}
