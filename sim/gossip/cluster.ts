import { type Random, seededRandom } from "../../src/base/index.ts";
import {
  type Address,
  Gossip,
  type GossipEvent,
  type Member,
  type OutgoingPacket,
  type OutgoingStream,
  type Profile,
  PROFILES,
  type StreamMessage,
} from "../../src/gossip/index.ts";
import { type SimulatedCodec, simulatedCodec, streamBytes } from "./codec.ts";
import { Network, type NetworkOptions } from "./network.ts";

/** What a paused process's socket holds; the rest is lost. */
const SOCKET_PACKETS_MAX = 500;

export interface ClusterOptions extends Partial<NetworkOptions> {
  readonly seed: number;
  /** Default 20: coarser than in production, and twice as fast to simulate. */
  readonly tickMs?: number;
  readonly profile?: Profile;
  readonly onEvent?: (event: GossipEvent, at: SimulatedMember) => void;
}

/** What a member sent. */
export interface Traffic {
  packets: number;
  packetBytes: number;
  streams: number;
  streamBytes: number;
}

export class SimulatedMember {
  readonly name: string;
  readonly address: Address;
  gossip: Gossip;
  running = true;
  pausedUntilTick = 0;
  /** What arrived while it was paused. */
  readonly waiting: (() => void)[] = [];
  readonly traffic: Traffic = { packets: 0, packetBytes: 0, streams: 0, streamBytes: 0 };

  constructor(name: string, address: Address, gossip: Gossip) {
    this.name = name;
    this.address = address;
    this.gossip = gossip;
  }

  get leaving(): boolean {
    return this.gossip.status().phase !== "alive";
  }

  /** What it says of another; undefined: it does not know it. */
  statusOf(name: string): Member["status"] | undefined {
    return this.gossip.member(name)?.status;
  }
}

/** Members with a seed, a network that loses and delays, and a clock that is turned by hand. */
export class Cluster {
  readonly tickMs: number;
  readonly network: Network;
  readonly members = new Map<string, SimulatedMember>();
  readonly codec: SimulatedCodec = simulatedCodec();
  readonly #random: Random;
  readonly #profile: Profile;
  readonly #onEvent: NonNullable<ClusterOptions["onEvent"]>;
  readonly #byAddress = new Map<string, SimulatedMember>();
  #streams = 0;
  /** Streams that peers opened, and where their reply goes. */
  readonly #replies = new Map<number, (message: StreamMessage | undefined) => void>();

  constructor(options: ClusterOptions) {
    const { seed, tickMs = 20, loss = 0, delayTicksMin = 1, delayTicksMax = 2 } = options;
    this.tickMs = tickMs;
    this.#random = seededRandom(seed);
    this.#profile = options.profile ?? PROFILES.lan;
    this.#onEvent = options.onEvent ?? (() => undefined);
    const network = { loss, delayTicksMin, delayTicksMax };
    this.network = new Network(network, tickMs, seededRandom(this.#random.u32()));
  }

  get nowMs(): number {
    return this.network.now * this.tickMs;
  }

  /** Another process; one of a name that is known takes its address, and an earlier one's place. */
  add(name: string, port = 7946): SimulatedMember {
    const index = this.members.size + 1;
    const ip = this.members.get(name)?.address.ip ?? Uint8Array.of(10, 0, index >> 8, index & 255);
    return this.#start(name, { ip, port });
  }

  #start(name: string, address: Address): SimulatedMember {
    const member = new SimulatedMember(name, address, this.#core(name, address));
    this.members.set(name, member);
    this.#byAddress.set(addressKey(address), member);
    this.#flush(member);
    return member;
  }

  /** A process of a name that is down, at an address that nobody had. */
  move(name: string): SimulatedMember {
    const [a = 0, ...rest] = this.get(name).address.ip;
    return this.#start(name, { ip: Uint8Array.of(a + 1, ...rest), port: 7_947 });
  }

  /** A second process of a name, while the first goes on; `get` now means the new one. */
  addTwin(name: string, port: number): SimulatedMember {
    const first = this.get(name);
    const twin = this.add(name, port);
    this.members.set(`${name}, the first`, first);
    return twin;
  }

  #core(name: string, address: Address): Gossip {
    return new Gossip({
      name,
      address,
      tags: { role: "simulated", rpc_addr: `${name}.example:8400` },
      profile: this.#profile,
      tickMs: this.tickMs,
      random: seededRandom(this.#random.u32()),
      codec: this.codec,
    });
  }

  get(name: string): SimulatedMember {
    const member = this.members.get(name);
    if (member === undefined) throw new Error(`no member ${name}`);
    return member;
  }

  /** Those that run and are not leaving. */
  live(): SimulatedMember[] {
    return [...this.members.values()].filter((member) => member.running && !member.leaving);
  }

  join(name: string, seed: string): void {
    const member = this.get(name);
    member.gossip.join(this.get(seed).address);
    this.#flush(member);
  }

  /** Does something with a core, and carries out what it wants. */
  with(name: string, act: (gossip: Gossip) => void): void {
    const member = this.get(name);
    act(member.gossip);
    this.#flush(member);
  }

  kill(name: string): void {
    this.get(name).running = false;
  }

  /** Stops a process for a while; its kernel still takes packets and connections. */
  pause(name: string, ms: number): void {
    this.get(name).pausedUntilTick = this.network.now + Math.ceil(ms / this.tickMs);
  }

  run(ms: number): void {
    const until = this.network.now + Math.ceil(ms / this.tickMs);
    while (this.network.now < until) this.tick();
  }

  /** Runs until it holds; returns the time that took in ms, or undefined when it did not come about. */
  runUntil(holds: () => boolean, msMax: number, everyMs: number = this.tickMs): number | undefined {
    const start = this.nowMs;
    while (!holds()) {
      if (this.nowMs - start >= msMax) return undefined;
      this.run(everyMs);
    }
    return this.nowMs - start;
  }

  tick(): void {
    this.network.advance();
    for (const member of this.members.values()) {
      if (!member.running || this.network.now < member.pausedUntilTick) continue;
      for (const arrive of member.waiting.splice(0)) arrive();
      member.gossip.tick();
      this.#flush(member);
    }
  }

  /** Whether each live member lists exactly the live ones as alive. */
  converged(): boolean {
    const live = this.live();
    return live.every((member) => member.gossip.status().membersByStatus.alive === live.length);
  }

  #flush(member: SimulatedMember): void {
    const { packets, streams, replies, events } = member.gossip.ready();
    for (const packet of packets) this.#send(member, packet);
    for (const stream of streams) this.#open(member, stream);
    for (const { stream, message } of replies) {
      if (message !== undefined) member.traffic.streamBytes += streamBytes(message);
      this.#replies.get(stream)?.(message);
      this.#replies.delete(stream);
    }
    for (const event of events) {
      // Who has left closes its sockets.
      if (event.kind === "left") member.running = false;
      this.#onEvent(event, member);
    }
  }

  #send(from: SimulatedMember, { to, parts }: OutgoingPacket): void {
    const compound = parts.length > 1 ? 2 + 2 * parts.length : 0;
    from.traffic.packets += 1;
    from.traffic.packetBytes += parts.reduce((sum, part) => sum + part.length, compound);
    const target = this.#byAddress.get(addressKey(to));
    if (target === undefined) return;
    this.network.packet(from.name, target.name, () => {
      this.#arrive(target, SOCKET_PACKETS_MAX, () => {
        const messages = parts.map((part) => this.codec.decodePacket(part));
        target.gossip.step({ kind: "packet", from: from.address, messages });
      });
    });
  }

  #open(from: SimulatedMember, { stream, to, message, timeoutMs }: OutgoingStream): void {
    from.traffic.streams += 1;
    from.traffic.streamBytes += streamBytes(message);
    let over = false;
    const end = (reply: StreamMessage | undefined, text: string): void => {
      if (over) return;
      over = true;
      this.#arrive(from, Infinity, () => {
        if (reply === undefined) from.gossip.step({ kind: "stream-failed", stream, text });
        else from.gossip.step({ kind: "stream-reply", stream, message: reply });
      });
    };
    this.network.after(Math.ceil(timeoutMs / this.tickMs), () => end(undefined, "timeout"));
    const target = this.#byAddress.get(addressKey(to));
    this.network.after(this.network.streamTicks(), () => {
      if (over || target === undefined || !this.network.reaches(from.name, target.name)) return;
      if (!target.running) {
        end(undefined, "connection refused");
        return;
      }
      this.#arrive(target, Infinity, () => {
        const theirs = ++this.#streams;
        this.#replies.set(theirs, (reply) => {
          this.network.after(this.network.replyTicks(), () => {
            if (this.network.reaches(from.name, target.name)) end(reply, "closed");
          });
        });
        target.gossip.step({ kind: "stream", stream: theirs, from: from.address, message });
      });
    });
  }

  /** Something reaches a process: now, when it goes on, or never. */
  #arrive(member: SimulatedMember, waitingMax: number, act: () => void): void {
    if (!member.running) return;
    if (this.network.now < member.pausedUntilTick) {
      if (member.waiting.length < waitingMax) member.waiting.push(act);
      return;
    }
    act();
    this.#flush(member);
  }
}

function addressKey({ ip, port }: Address): string {
  return `${ip.join(".")}:${port}`;
}

/** `count` members named m0, m1, …, joined to the first and to each other, and quiet. */
export function startCluster(count: number, options: ClusterOptions): Cluster {
  const cluster = new Cluster(options);
  const loss = cluster.network.options;
  cluster.network.options = { ...loss, loss: 0 };
  for (let index = 0; index < count; index++) {
    cluster.add(`m${index}`);
    if (index > 0) cluster.join(`m${index}`, `m${index % Math.min(index, 5)}`);
    if (index % 10 === 0) cluster.run(200);
  }
  if (cluster.runUntil(() => cluster.converged(), 300_000, 1_000) === undefined) {
    throw new Error("the members did not find each other");
  }
  // Until the news of the beginning have been told.
  cluster.run(10_000);
  cluster.network.options = loss;
  return cluster;
}
