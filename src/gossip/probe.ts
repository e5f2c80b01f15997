import { below, limits } from "../base/index.ts";
import type { Context } from "./context.ts";
import type { SwimMember } from "./member.ts";
import type { Ack, Address, IndirectPing, Nack, PacketMessage, Ping, Source } from "./message.ts";
import type { Sender } from "./sender.ts";
import type { MemberStates } from "./states.ts";
import type { Task } from "./schedule.ts";
import type { Suspicion } from "./suspicion.ts";

/** memberlist's protocol versions from which on a peer knows nacks, and pings over TCP. */
const NACK_VERSION = 4;
const TCP_PING_VERSION = 3;
/** How often we ask again ourselves while others ask for us: so many times in a probe timeout. */
const PINGS_PER_TIMEOUT = 4;

/** A question outside of the rounds: is one of this name there? */
interface Call {
  readonly kind: "call";
  readonly answered: () => void;
}

interface Probe {
  readonly kind: "probe";
  readonly member: SwimMember;
  readonly startTick: number;
  readonly endTick: number;
  nacksExpected: number;
  nacks: number;
  tcpAnswered: boolean;
  readonly tasks: Task[];
}

/** A probe that we make for another. */
interface RelayedProbe {
  readonly kind: "relayed";
  readonly requester: Address;
  readonly requesterName: string;
  /** The requester's number of it. */
  readonly sequence: number;
  readonly task: Task | undefined;
}

/** Opens a TCP ping; `answered` is called when the right member is there. */
export type OpenTcpPing = (
  to: Address,
  ping: Ping,
  timeoutMs: number,
  answered: () => void,
) => void;

/**
 * The failure detector. One member at a time is asked; if it does not answer, others ask it for us, and
 * TCP is tried; only when the whole interval brought nothing it is suspected. (SWIM, section 3.1; nacks
 * and the stretched interval: Lifeguard, section IV-A.)
 */
export class Prober {
  readonly #context: Context;
  readonly #sender: Sender;
  readonly #states: MemberStates;
  readonly #openTcpPing: OpenTcpPing;
  readonly #waiting = new Map<number, Probe | RelayedProbe | Call>();
  /** Suspicions that are ours too. */
  readonly #reminded = new WeakSet<Suspicion>();
  #sequence: number;
  #busy = false;
  #late = false;
  #relaysCount = 0;

  constructor(context: Context, sender: Sender, states: MemberStates, openTcpPing: OpenTcpPing) {
    this.#context = context;
    this.#sender = sender;
    this.#states = states;
    this.#openTcpPing = openTcpPing;
    this.#sequence = context.random.u32();
    states.countdown.askOnceMore = (member) => this.#accuse(member, this.#newPing(member));
  }

  start(): void {
    const interval = this.#context.ticks(this.#context.profile.probeIntervalMs);
    const first = 1 + below(this.#context.random, interval);
    this.#context.schedule.every(
      first,
      () => interval,
      () => this.#probeNext(),
    );
  }

  ping(ping: Ping, from: Address): void {
    if (ping.name !== "" && ping.name !== this.#context.name) return;
    const to = ping.source ?? from;
    const name = ping.source?.name ?? "";
    const ack = {
      kind: "ack",
      sequence: ping.sequence,
      payload: null,
    } as const;
    const { farewell } = this.#sender;
    if (farewell.length === 0) this.#sender.send(to, name, ack);
    else
      this.#sender.sendParts(
        to,
        name,
        [ack, ...farewell].map((each) => this.#encode(each)),
      );
  }

  indirectPing(request: IndirectPing, from: Address): void {
    const { schedule, profile, outbox } = this.#context;
    if (this.#relaysCount >= limits.gossipRelaysMax) {
      outbox.count("relay_limit");
      return;
    }
    const requester = request.source ?? from;
    const requesterName = request.source?.name ?? "";
    const sequence = this.#nextSequence();
    this.#relaysCount += 1;
    const task = schedule.after(this.#context.ticks(profile.probeTimeoutMs), () => {
      if (!this.#waiting.delete(sequence)) return;
      this.#relaysCount -= 1;
      if (!request.nack) return;
      this.#sender.send(requester, requesterName, {
        kind: "nack",
        sequence: request.sequence,
      });
    });
    const { sequence: theirs, name, target } = request;
    this.#waiting.set(sequence, {
      kind: "relayed",
      requester,
      requesterName,
      sequence: theirs,
      task,
    });
    this.#sender.send(target, name, this.#ping(sequence, name));
  }

  ack(ack: Ack): void {
    const probe = this.#waiting.get(ack.sequence);
    if (probe === undefined) return;
    this.#waiting.delete(ack.sequence);
    if (probe.kind === "probe") {
      this.#succeed(probe);
      return;
    }
    if (probe.kind === "call") {
      probe.answered();
      return;
    }
    probe.task?.cancel();
    this.#relaysCount -= 1;
    const { requester, requesterName, sequence } = probe;
    this.#sender.send(requester, requesterName, {
      kind: "ack",
      sequence,
      payload: null,
    });
  }

  nack(nack: Nack): void {
    const probe = this.#waiting.get(nack.sequence);
    if (probe?.kind === "probe") probe.nacks += 1;
  }

  /** Asks for `ms` whether one of this name answers at an address, whoever is believed to be there. */
  call(to: Address, name: string, ms: number, answered: () => void): void {
    const { schedule, profile, now } = this.#context;
    const sequence = this.#nextSequence();
    const endTick = now + this.#context.ticks(ms);
    const pause = this.#context.ticks(profile.probeTimeoutMs);
    this.#waiting.set(sequence, { kind: "call", answered });
    const ask = (): void => {
      if (!this.#waiting.has(sequence)) return;
      if (this.#context.now >= endTick) {
        this.#waiting.delete(sequence);
        return;
      }
      this.#sender.sendParts(to, name, [this.#encode(this.#ping(sequence, name))]);
      schedule.after(pause, ask);
    };
    ask();
  }

  #probeNext(): void {
    // A stretched probe runs into the next one's time: that one begins when it ends.
    if (this.#busy) {
      this.#late = true;
      return;
    }
    const { members, name } = this.#context;
    const member = members.nextToProbe(
      (each) => each.name !== name && (each.state === "alive" || each.state === "suspect"),
      (each) => this.#states.forget(each),
    );
    if (member !== undefined) this.#begin(member);
  }

  #begin(member: SwimMember): void {
    const { schedule, profile, awareness, now } = this.#context;
    const sequence = this.#nextSequence();
    const ping = this.#ping(sequence, member.name);
    const lasts = this.#context.ticks(awareness.scale(profile.probeIntervalMs));
    const timeout = this.#context.ticks(profile.probeTimeoutMs);
    const probe: Probe = {
      kind: "probe",
      member,
      startTick: now,
      endTick: now + lasts,
      nacksExpected: 0,
      nacks: 0,
      tcpAnswered: false,
      tasks: [],
    };
    this.#busy = true;
    this.#waiting.set(sequence, probe);
    probe.tasks.push(
      schedule.after(timeout, () => this.#askOthers(probe, sequence)),
      schedule.after(lasts, () => this.#fail(probe, sequence)),
    );
    if (member.state === "alive") {
      this.#sender.send(member.address, member.name, ping);
      return;
    }
    // A suspect gets the accusation with the ping, so that it can refute at once. (Lifeguard, IV-C.)
    this.#accuse(member, ping);
  }

  /**
   * As long as we are among the accusers, the accused is told so again and again, and its answer brings
   * its refutation. memberlist leaves that to gossip; where a third of the packets is lost, a few of
   * the living are then not heard in time.
   */
  #remind(member: SwimMember, suspicion: Suspicion): void {
    const { schedule, profile } = this.#context;
    schedule.after(this.#context.ticks(profile.probeTimeoutMs), () => {
      if (member.suspicion !== suspicion) return;
      this.#accuse(member, this.#newPing(member));
      this.#remind(member, suspicion);
    });
  }

  /** The accusation comes first, so that the answer to the ping already carries what it says to it. */
  #accuse(member: SwimMember, ping: Ping): void {
    const { incarnation, name } = member;
    const accusation = {
      kind: "suspect",
      incarnation,
      name,
      from: this.#context.name,
    } as const;
    const parts = [accusation, ping].map((each) => this.#encode(each));
    this.#sender.sendParts(member.address, name, parts);
  }

  #encode(message: PacketMessage): Uint8Array {
    return this.#context.codec.encodePacket(message);
  }

  /** Where packets are lost, another ping says more than another accusation; nobody pays for it in a good network. */
  #askAgain(probe: Probe, sequence: number): void {
    const { schedule, profile, now } = this.#context;
    const { address, name } = probe.member;
    this.#sender.sendParts(address, name, [this.#encode(this.#ping(sequence, name))]);
    const pause = this.#context.ticks(profile.probeTimeoutMs / PINGS_PER_TIMEOUT);
    if (now + pause >= probe.endTick) return;
    probe.tasks.push(schedule.after(pause, () => this.#askAgain(probe, sequence)));
  }

  #askOthers(probe: Probe, sequence: number): void {
    const { members, profile, name, now } = this.#context;
    const { member } = probe;
    this.#askAgain(probe, sequence);
    const helpers = members.pick(
      profile.indirectProbes,
      (each) => each.name !== name && each.name !== member.name && each.state === "alive",
    );
    for (const helper of helpers) {
      if ((helper.versions[1] ?? 0) >= NACK_VERSION) probe.nacksExpected += 1;
      this.#sender.send(helper.address, helper.name, {
        kind: "indirect-ping",
        sequence,
        target: member.address,
        name: member.name,
        nack: true,
        source: this.#source(),
      });
    }
    if ((member.versions[1] ?? 0) < TCP_PING_VERSION) return;
    const timeoutMs = this.#context.ms(Math.max(1, probe.endTick - now));
    this.#openTcpPing(member.address, this.#ping(sequence, member.name), timeoutMs, () => {
      probe.tcpAnswered = true;
    });
  }

  #succeed(probe: Probe): void {
    const { awareness, outbox, now } = this.#context;
    awareness.apply(-1);
    const latencyTicks = now - probe.startTick;
    outbox.event({ kind: "probed", name: probe.member.name, latencyTicks });
    this.#end(probe);
  }

  #fail(probe: Probe, sequence: number): void {
    const { awareness, outbox, name } = this.#context;
    this.#waiting.delete(sequence);
    const { member } = probe;
    if (probe.tcpAnswered) {
      outbox.event({ kind: "tcp-only", name: member.name });
      this.#end(probe);
      return;
    }
    outbox.count("probe_failed");
    // Helpers that say "no answer either" clear us; helpers that say nothing speak against us.
    const missing = probe.nacksExpected - probe.nacks;
    awareness.apply(probe.nacksExpected > 0 ? Math.max(0, missing) : 1);
    const { incarnation } = member;
    this.#states.suspect({
      kind: "suspect",
      incarnation,
      name: member.name,
      from: name,
    });
    const { suspicion } = member;
    if (suspicion !== undefined && !this.#reminded.has(suspicion)) {
      this.#reminded.add(suspicion);
      this.#remind(member, suspicion);
    }
    this.#end(probe);
  }

  #end(probe: Probe): void {
    for (const task of probe.tasks) task.cancel();
    this.#busy = false;
    if (!this.#late) return;
    this.#late = false;
    this.#probeNext();
  }

  #ping(sequence: number, name: string): Ping {
    return { kind: "ping", sequence, name, source: this.#source() };
  }

  /** One whose ack says nothing: what counts is the refutation that comes with it. */
  #newPing({ name }: SwimMember): Ping {
    return this.#ping(this.#nextSequence(), name);
  }

  #source(): Source {
    const { name, address } = this.#context;
    return { name, ip: address.ip, port: address.port };
  }

  /** 32 bits that begin anywhere, so that acks of an earlier life, or guessed ones, do not fit. */
  #nextSequence(): number {
    this.#sequence = (this.#sequence + 1) >>> 0;
    return this.#sequence;
  }
}
