import { equalBytes, limits } from "../base/index.ts";
import type { Context } from "./context.ts";
import { isAddress, isMemberName, sameAddress, type SwimMember } from "./member.ts";
import type { Alive, Dead, MemberRow, Suspect } from "./message.ts";
import type { Sender } from "./sender.ts";
import { confirmationsExpected, Suspicion, suspicionMinMs, suspicionMs } from "./suspicion.ts";
import { Tombstones } from "./tombstones.ts";

/** Questions before a declaration of death, half a second apart. */
const LAST_QUESTIONS = 4;

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
}

/**
 * SWIM's rules for what is believed of a member. An incarnation orders what is said: only the member
 * itself raises it, and the higher one wins; within one, dead beats suspect beats alive. So whoever is
 * accused, and lives, raises its incarnation and is believed. (SWIM, section 4.2.)
 */
export class MemberStates {
  /** Set before our own leave is told: from then on we let them say that we are gone. */
  leaving = false;
  incarnation = 1;
  readonly tombstones: Tombstones;
  /** Asks a suspect once more, before it is declared dead; set by the prober. */
  askOnceMore: (member: SwimMember) => void = () => undefined;
  readonly #context: Context;
  readonly #sender: Sender;
  readonly #listener: StatesListener;
  #meta: Uint8Array;

  constructor(context: Context, sender: Sender, listener: StatesListener, meta: Uint8Array) {
    this.#context = context;
    this.#sender = sender;
    this.#listener = listener;
    this.#meta = meta;
    this.tombstones = new Tombstones(context, sender);
  }

  /** We begin to exist. */
  start(): void {
    const member = this.#add(this.#ownAlive());
    this.#revive(member, this.#ownAlive());
  }

  /** Our tags changed. */
  setMeta(meta: Uint8Array): void {
    this.#meta = meta;
    this.incarnation += 1;
    const self = this.#context.members.get(this.#context.name);
    if (self !== undefined) this.#revive(self, this.#ownAlive());
  }

  alive(claim: Alive): void {
    const { outbox, members, name } = this.#context;
    if (this.leaving && claim.name === name) return;
    if (!isMemberName(claim.name)) {
      outbox.count("member_name_invalid");
      return;
    }
    if (!isAddress(claim.address)) {
      outbox.count("address_refused");
      return;
    }
    if (!areVersions(claim.versions)) {
      outbox.count("versions_refused");
      return;
    }
    if (claim.meta.length > limits.gossipMetaBytesMax) {
      outbox.count("meta_refused");
      return;
    }
    if (!this.#isIncarnation(claim.incarnation)) return;
    if (this.tombstones.remember(claim)) return;
    const known = members.get(claim.name);
    if (known === undefined && members.size >= limits.gossipMembersMax) {
      outbox.count("member_limit");
      return;
    }
    const member = known ?? this.#add(claim);
    const moved = !sameAddress(member.address, claim.address);
    if (moved && member.state !== "left") {
      outbox.count(claim.name === name ? "name_conflict" : "address_conflict");
      this.#listener.conflict(member, claim);
      return;
    }
    if (claim.name === name) {
      this.#aliveSelf(member, claim);
      return;
    }
    if (known !== undefined && !moved && claim.incarnation <= member.incarnation) return;
    this.#revive(member, claim);
  }

  suspect(accusation: Suspect): void {
    const member = this.#context.members.get(accusation.name);
    if (member === undefined || accusation.incarnation < member.incarnation) return;
    if (!this.#isIncarnation(accusation.incarnation)) return;
    // Only the member itself raises its incarnation: it has refuted what we still suspect it of, and was
    // accused again. (memberlist counts this as a confirmation, and so kills members that answer.)
    const refuted = accusation.incarnation > member.incarnation && member.state === "suspect";
    if (member.suspicion !== undefined && !refuted) {
      if (!member.suspicion.confirm(accusation.from)) return;
      this.#sender.broadcastMember(accusation, accusation.name);
      this.#awaitDeath(member, member.suspicion);
      return;
    }
    if (member.state !== "alive" && !refuted) return;
    this.#trust(member);
    if (member.name === this.#context.name) {
      this.#refute(accusation.incarnation);
      return;
    }
    this.#sender.broadcastMember(accusation, accusation.name);
    member.incarnation = accusation.incarnation;
    this.#enter(member, "suspect");
    const { profile, members, now, outbox } = this.#context;
    const expected = confirmationsExpected(profile.suspicionMultiplier, members.size);
    member.suspicion = new Suspicion(now, accusation.from, expected);
    outbox.event({
      kind: "suspected",
      name: member.name,
      from: accusation.from,
    });
    this.#awaitDeath(member, member.suspicion);
  }

  /** `onFinished`: it was told to the others. */
  dead(claim: Dead, onFinished?: () => void): void {
    const member = this.#context.members.get(claim.name);
    if (member === undefined) return;
    if (claim.incarnation < member.incarnation) {
      this.#answerOldDeath(claim);
      return;
    }
    if (!this.#isIncarnation(claim.incarnation)) return;
    if (member.state === "dead" || member.state === "left") return;
    if (member.name === this.#context.name) {
      if (!this.leaving) {
        this.#refute(claim.incarnation);
        return;
      }
      if (claim.from !== claim.name) return;
    }
    this.#trust(member);
    this.#sender.broadcastMember(claim, claim.name, onFinished);
    member.incarnation = claim.incarnation;
    this.#enter(member, claim.from === claim.name ? "left" : "dead");
    this.#listener.gone(member);
  }

  /** What a peer knows, as a whole. What it calls dead is only suspected: it may be the one cut off. */
  merge(rows: readonly MemberRow[]): void {
    const { name: self } = this.#context;
    for (const { name, address, meta, incarnation, state, versions } of rows) {
      switch (state) {
        case "alive":
          this.alive({
            kind: "alive",
            name,
            address,
            meta,
            incarnation,
            versions,
          });
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

  /** The same, of ours; those who left are told of as long as they are remembered. */
  rows(): MemberRow[] {
    const listed = this.#context.members
      .values()
      .map(({ name, address, meta, incarnation, state, versions }) => {
        return { name, address, meta, incarnation, state, versions };
      });
    return [...listed, ...this.tombstones.rows()];
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

  #ownAlive(): Alive {
    const { name, address, versions } = this.#context;
    const { incarnation } = this;
    return {
      kind: "alive",
      name,
      address,
      versions,
      incarnation,
      meta: this.#meta,
    };
  }

  /** Somebody says that we are alive: our own word coming back, or an earlier life of ours. */
  #aliveSelf(member: SwimMember, claim: Alive): void {
    if (claim.incarnation < member.incarnation) return;
    const same =
      claim.incarnation === member.incarnation &&
      equalBytes(claim.meta, member.meta) &&
      equalBytes(claim.versions, member.versions);
    if (!same) this.#refute(claim.incarnation);
  }

  /** We live: an incarnation above the accusation's says so. That we were accused says that we are slow. */
  #refute(accused: number): void {
    this.incarnation = Math.max(this.incarnation, accused) + 1;
    this.#context.awareness.apply(1);
    this.#context.outbox.count("refuted");
    const self = this.#context.members.get(this.#context.name);
    if (self !== undefined) self.incarnation = this.incarnation;
    this.#sender.broadcastMember(this.#ownAlive(), this.#context.name);
  }

  /** Whoever says that we died in an earlier incarnation missed our refutation: it is told again. */
  #answerOldDeath(claim: Dead): void {
    if (claim.name !== this.#context.name || this.leaving) return;
    if (this.#sender.isTelling(claim.name)) return;
    this.#sender.broadcastMember(this.#ownAlive(), claim.name);
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
    };
    this.#context.members.add(member);
    return member;
  }

  #revive(member: SwimMember, claim: Alive): void {
    const before = member.state;
    const changed = !equalBytes(member.meta, claim.meta);
    this.#trust(member);
    this.#sender.broadcastMember(claim, claim.name);
    member.incarnation = claim.incarnation;
    member.address = claim.address;
    member.meta = claim.meta;
    member.versions = claim.versions;
    if (before !== "alive") this.#enter(member, "alive");
    if (before === "dead" || before === "left") this.#listener.joined(member);
    else if (changed) this.#listener.updated(member);
  }

  #enter(member: SwimMember, state: SwimMember["state"]): void {
    member.state = state;
    member.stateTick = this.#context.now;
  }

  #trust(member: SwimMember): void {
    member.suspicionTask?.cancel();
    member.suspicionTask = undefined;
    member.suspicion = undefined;
  }

  /** Sets the suspicion's end anew, or brings it about when it has passed. */
  #awaitDeath(member: SwimMember, suspicion: Suspicion): void {
    const { profile, members, now, name } = this.#context;
    const { suspicionMultiplier, suspicionMaxMultiplier, probeIntervalMs } = profile;
    const minMs = suspicionMinMs(suspicionMultiplier, members.size, probeIntervalMs);
    const maxMs = minMs * suspicionMaxMultiplier;
    const ms = suspicionMs(suspicion.confirmations, suspicion.expected, minMs, maxMs);
    const ticksLeft = suspicion.startTick + this.#context.ticks(ms) - now;
    const end = (): void => {
      const { incarnation } = member;
      this.dead({ kind: "dead", name: member.name, incarnation, from: name });
    };
    member.suspicionTask?.cancel();
    if (ticksLeft <= 0) end();
    else this.#countDown(member, ticksLeft, end);
  }

  /**
   * Most who wait have the suspicion from others and may have missed the refutation, so before the end
   * each asks for itself. A real death costs everybody a few packets more.
   */
  #countDown(member: SwimMember, ticksLeft: number, end: () => void): void {
    const step = this.#context.ticks(this.#context.profile.probeTimeoutMs);
    const asked = Math.min(LAST_QUESTIONS, Math.floor((ticksLeft - 1) / step));
    const later = (ticks: number, left: number, then: () => void): void => {
      member.suspicionTask = this.#context.schedule.after(ticks, () => {
        if (left === 0) {
          then();
          return;
        }
        this.askOnceMore(member);
        later(step, left - 1, then);
      });
    };
    later(ticksLeft - asked * step, asked, end);
  }

  #isIncarnation(incarnation: number): boolean {
    const valid =
      Number.isSafeInteger(incarnation) &&
      incarnation >= 0 &&
      incarnation <= limits.gossipIncarnationMax;
    if (!valid) this.#context.outbox.count("incarnation_refused");
    return valid;
  }
}

function areVersions(versions: Uint8Array): boolean {
  const [min = 0, max = 0] = versions;
  return versions.length === 6 && min > 0 && max > 0 && min <= max;
}
