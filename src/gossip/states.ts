import { equalBytes, limits } from "../base/index.ts";
import { flawOf, isBelievable } from "./claims.ts";
import type { Context } from "./context.ts";
import { Countdown } from "./countdown.ts";
import { sameAddress, type SwimMember } from "./member.ts";
import type { Address, Alive, Dead, MemberRow, Suspect } from "./message.ts";
import { Self } from "./self.ts";
import type { Sender } from "./sender.ts";
import { confirmationsExpected, Suspicion } from "./suspicion.ts";
import { Tombstones } from "./tombstones.ts";

/** Who wants to know; Serf's half of the core. */
export interface StatesListener {
  joined(member: SwimMember): void;
  updated(member: SwimMember): void;
  /** Dead or left: `member.state` says which. */
  gone(member: SwimMember): void;
  /** Somebody claims a name that another has. */
  conflict(member: SwimMember, claim: Alive): void;
  /** It said good-bye, even if its last word was lost and others found it dead. */
  hasLeft(name: string): boolean;
  /** Whether one more can be remembered. */
  hasRoomFor(name: string): boolean;
}

/**
 * SWIM's rules for what is believed of a member. An incarnation orders what is said: only the member
 * itself raises it, and the higher one wins; within one, dead beats suspect beats alive. So whoever is
 * accused, and lives, raises its incarnation and is believed. (SWIM, section 4.2.)
 */
export class MemberStates {
  readonly self: Self;
  readonly tombstones: Tombstones;
  readonly countdown: Countdown;
  readonly #context: Context;
  readonly #sender: Sender;
  readonly #listener: StatesListener;

  constructor(context: Context, sender: Sender, listener: StatesListener, meta: Uint8Array) {
    this.#context = context;
    this.#sender = sender;
    this.#listener = listener;
    this.self = new Self(context, sender, meta);
    this.tombstones = new Tombstones(context, sender);
    this.countdown = new Countdown(context, ({ name, incarnation }) =>
      this.dead({ kind: "dead", name, incarnation, from: context.name }),
    );
  }

  /** We begin to exist. */
  start(): void {
    const claim = this.self.alive();
    this.#revive(this.#add(claim), claim);
  }

  /** Our tags changed. */
  setMeta(meta: Uint8Array): void {
    this.self.meta = meta;
    this.self.incarnation += 1;
    const self = this.#context.members.get(this.#context.name);
    if (self !== undefined) this.#revive(self, this.self.alive());
  }

  alive(claim: Alive): void {
    const { outbox, members, name, versions } = this.#context;
    if (this.self.leaving && claim.name === name) return;
    const flaw = flawOf(claim, versions);
    if (flaw !== undefined) {
      outbox.count(flaw);
      return;
    }
    const known = members.get(claim.name);
    if (!this.#believes(claim.incarnation, known)) return;
    if (this.tombstones.remember(claim)) return;
    if (known === undefined && !this.#hasRoomFor(claim.name)) {
      outbox.count("member_limit");
      return;
    }
    const member = known ?? this.#add(claim);
    if (!sameAddress(member.address, claim.address)) {
      if (this.#mayMove(member, claim)) this.#revive(member, claim);
      return;
    }
    if (claim.name === name) {
      this.self.calledAlive(member, claim);
      return;
    }
    if (known !== undefined && claim.incarnation <= member.incarnation) return;
    this.#revive(member, claim);
  }

  suspect(accusation: Suspect): void {
    const member = this.#context.members.get(accusation.name);
    if (member === undefined || accusation.incarnation < member.incarnation) return;
    if (!this.#believes(accusation.incarnation, member)) return;
    // Only the member itself raises its incarnation: it has refuted what we still suspect it of, and was
    // accused again. (memberlist counts this as a confirmation, and so kills members that answer.)
    const refuted = accusation.incarnation > member.incarnation && member.state === "suspect";
    if (member.suspicion !== undefined && !refuted) {
      if (!member.suspicion.confirm(accusation.from)) return;
      this.#sender.broadcastMember(accusation, accusation.name);
      this.countdown.set(member, member.suspicion);
      return;
    }
    if (member.state !== "alive" && !refuted) return;
    this.countdown.stop(member);
    if (member.name === this.#context.name) {
      this.self.refute(accusation.incarnation);
      return;
    }
    this.#sender.broadcastMember(accusation, accusation.name);
    member.incarnation = accusation.incarnation;
    this.#enter(member, "suspect");
    const { profile, members, now, outbox } = this.#context;
    const expected = confirmationsExpected(profile.suspicionMultiplier, members.size);
    member.suspicion = new Suspicion(now, accusation.from, expected);
    outbox.event({ kind: "suspected", name: member.name, from: accusation.from });
    this.countdown.set(member, member.suspicion);
  }

  /** `onFinished`: it was told to the others. */
  dead(claim: Dead, onFinished?: () => void): void {
    const member = this.#context.members.get(claim.name);
    if (member === undefined) return;
    if (claim.incarnation < member.incarnation) {
      this.self.answerOldDeath(claim);
      return;
    }
    if (!this.#believes(claim.incarnation, member)) return;
    if (member.state === "dead" || member.state === "left") return;
    if (member.name === this.#context.name) {
      if (!this.self.leaving) {
        this.self.refute(claim.incarnation);
        return;
      }
      if (claim.from !== claim.name) return;
    }
    this.countdown.stop(member);
    this.#sender.broadcastMember(claim, claim.name, onFinished);
    member.incarnation = claim.incarnation;
    this.#enter(member, claim.from === claim.name ? "left" : "dead");
    this.#listener.gone(member);
    // Who has claimed the name meanwhile may have it now.
    if (member.claimant !== undefined) this.#tellEnd(member, member.claimant);
    member.claimant = undefined;
  }

  /** What a peer knows, as a whole. What it calls dead is only suspected: it may be the one cut off. */
  merge(rows: readonly MemberRow[]): void {
    const { name: self } = this.#context;
    for (const { state, ...row } of rows) {
      const { name, incarnation } = row;
      switch (state) {
        case "alive":
          this.alive({ kind: "alive", ...row });
          break;
        case "left":
          this.dead({ kind: "dead", name, incarnation, from: name });
          break;
        case "dead":
        case "suspect":
          this.suspect({ kind: "suspect", name, incarnation, from: self });
          break;
      }
    }
  }

  /** The same, of ours; those who left are told of as long as they are remembered, and there is room. */
  rows(): MemberRow[] {
    const listed = this.#context.members
      .values()
      .map(({ name, address, meta, incarnation, state, versions }) => {
        return { name, address, meta, incarnation, state, versions };
      });
    return [...listed, ...this.tombstones.rows()].slice(0, limits.gossipMembersMax);
  }

  /** Whether a member goes from the list: it has been told long enough that it is dead. */
  forget(member: SwimMember): boolean {
    if (member.state !== "dead" && member.state !== "left") return false;
    const { now, profile } = this.#context;
    if (this.#context.ms(now - member.stateTick) <= profile.gossipToDeadMs) return false;
    const left = member.state === "left" || this.#listener.hasLeft(member.name);
    if (left) this.tombstones.add(member);
    return true;
  }

  #add(claim: Alive): SwimMember {
    const member: SwimMember = {
      name: claim.name,
      address: claim.address,
      meta: claim.meta,
      versions: claim.versions,
      incarnation: 0,
      state: "dead",
      stateTick: this.#context.now,
      suspicion: undefined,
      suspicionTask: undefined,
      claimant: undefined,
      reminderTick: 0,
    };
    this.#context.members.add(member);
    return member;
  }

  /**
   * A name has moved. Where its owner lives this is a second one of the name, or a crash that nobody has
   * noticed yet. Who is dead or has left may come back from anywhere, above the incarnation in which
   * it ended: so an old story of an earlier address does not bring it back, and who returns without
   * knowing that number is told. (memberlist waits for a time set by the operator; never by default.)
   */
  #mayMove(member: SwimMember, claim: Alive): boolean {
    if (member.state === "dead" || member.state === "left") {
      if (claim.incarnation > member.incarnation) return true;
      if (this.#context.now >= member.reminderTick) this.#tellEnd(member, claim.address);
      return false;
    }
    const isOurs = member.name === this.#context.name;
    this.#context.outbox.count(isOurs ? "name_conflict" : "address_conflict");
    if (!isOurs) member.claimant = claim.address;
    this.#listener.conflict(member, claim);
    return false;
  }

  /** To whoever claims the name of one who is gone: the incarnation that it must be above. */
  #tellEnd(member: SwimMember, to: Address): void {
    const { name, incarnation, state } = member;
    const reminder = this.#context.ticks(limits.gossipReminderIntervalMs);
    member.reminderTick = this.#context.now + reminder;
    const from = state === "left" ? name : this.#context.name;
    this.#sender.send(to, name, { kind: "dead", name, incarnation, from });
  }

  #revive(member: SwimMember, claim: Alive): void {
    const before = member.state;
    const { address, meta } = member;
    const isSame = address.port === claim.address.port && equalBytes(address.ip, claim.address.ip);
    const changed = !isSame || !equalBytes(meta, claim.meta);
    this.countdown.stop(member);
    this.#sender.broadcastMember(claim, claim.name);
    member.incarnation = claim.incarnation;
    member.address = claim.address;
    member.meta = claim.meta;
    member.versions = claim.versions;
    member.claimant = undefined;
    if (before !== "alive") this.#enter(member, "alive");
    if (before === "dead" || before === "left") this.#listener.joined(member);
    else if (changed) this.#listener.updated(member);
  }

  #enter(member: SwimMember, state: SwimMember["state"]): void {
    member.state = state;
    member.stateTick = this.#context.now;
  }

  #hasRoomFor(name: string): boolean {
    const { members } = this.#context;
    return members.size < limits.gossipMembersMax && this.#listener.hasRoomFor(name);
  }

  #believes(incarnation: number, member: SwimMember | undefined): boolean {
    const isBelieved = isBelievable(incarnation, member?.incarnation);
    if (!isBelieved) this.#context.outbox.count("incarnation_refused");
    return isBelieved;
  }
}
