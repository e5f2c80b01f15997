/** One core under the microscope: the test is everybody else. */
import { seededRandom } from "../../base/index.ts";
import { type SimulatedCodec, simulatedCodec } from "../../../sim/gossip/index.ts";
import {
  type Address,
  type Alive,
  type Clocks,
  type CountName,
  Gossip,
  type GossipEvent,
  type MemberRow,
  type OutgoingStream,
  type PacketMessage,
  PROFILES,
  type PushPull,
  type SerfMessage,
  type SerfState,
  type StreamReply,
  type Tags,
  VERSIONS,
} from "../index.ts";

export const TICK_MS = 10;

export interface Sent {
  readonly to: string;
  readonly message: PacketMessage;
}

export function addressOf(last: number, port = 7946): Address {
  return { ip: Uint8Array.of(10, 0, 0, last), port };
}

export function metaOf(tags: Tags): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(tags));
}

/** `b` is at 10.0.0.2, `c` at 10.0.0.3, and so on; we are `a`, at 10.0.0.1. */
export function alive(name: string, incarnation = 1, more: Partial<Alive> = {}): Alive {
  const address = addressOf(name.charCodeAt(0) - 96);
  const meta = metaOf({ role: name });
  return { kind: "alive", name, incarnation, address, meta, versions: VERSIONS, ...more };
}

export function suspect(name: string, incarnation = 1, from = "x"): PacketMessage {
  return { kind: "suspect", name, incarnation, from };
}

export function dead(name: string, incarnation = 1, from = "x"): PacketMessage {
  return { kind: "dead", name, incarnation, from };
}

export function row(name: string, state: MemberRow["state"], incarnation = 1): MemberRow {
  const { address, meta, versions } = alive(name);
  return { name, address, meta, incarnation, state, versions };
}

export function pushPull(members: readonly MemberRow[], serf?: Partial<SerfState>): PushPull {
  const empty: SerfState = {
    kind: "serf-state",
    time: 1,
    statusTimes: new Map(),
    leftNames: [],
    eventTime: 1,
    events: [],
    queryTime: 1,
  };
  return { kind: "push-pull", join: false, members, serf: { ...empty, ...serf } };
}

export class Lone {
  readonly codec: SimulatedCodec = simulatedCodec();
  readonly gossip: Gossip;
  readonly sent: Sent[] = [];
  readonly events: GossipEvent[] = [];
  readonly streams: OutgoingStream[] = [];
  readonly replies: StreamReply[] = [];
  readonly counts = new Map<CountName, number>();
  #stream = 0;

  constructor(...others: readonly string[]);
  constructor(...others: readonly (string | { readonly clocks: Clocks })[]);
  constructor(...others: readonly (string | { readonly clocks: Clocks })[]) {
    const clocks = others.find((other) => typeof other !== "string");
    this.gossip = new Gossip({
      name: "a",
      address: addressOf(1),
      tags: { role: "a" },
      profile: PROFILES.lan,
      tickMs: TICK_MS,
      random: seededRandom(7),
      codec: this.codec,
      ...clocks,
    });
    for (const name of others) if (typeof name === "string") this.hear(alive(name));
    this.#take();
    this.clear();
  }

  clear(): void {
    for (const list of [this.sent, this.events, this.streams, this.replies]) list.length = 0;
    this.counts.clear();
  }

  /** A packet arrives. */
  hear(...messages: readonly PacketMessage[]): void {
    this.gossip.step({ kind: "packet", from: addressOf(99), messages });
    this.#take();
  }

  hearSerf(...messages: readonly SerfMessage[]): void {
    this.hear(...messages.map((message): PacketMessage => ({ kind: "user", message })));
  }

  /** A peer opens a stream and pushes its state; returns ours. */
  push(push: PushPull): PushPull | undefined {
    this.gossip.step({
      kind: "stream",
      stream: ++this.#stream,
      from: addressOf(99),
      message: push,
    });
    this.#take();
    const { message } = this.replies.at(-1) ?? {};
    return message?.kind === "push-pull" ? message : undefined;
  }

  act<T>(act: (gossip: Gossip) => T): T {
    const result = act(this.gossip);
    this.#take();
    return result;
  }

  run(ms: number): void {
    for (let left = ms; left > 0; left -= TICK_MS) {
      this.gossip.tick();
      this.#take();
    }
  }

  /** The same, faster: nobody looks at what is wanted meanwhile until the end. */
  skip(ms: number): void {
    for (let left = ms; left > 0; left -= TICK_MS) this.gossip.tick();
  }

  /** Lets time pass while every ping, direct or through others, is answered. */
  runAnswered(ms: number): void {
    for (let left = ms; left > 0; left -= TICK_MS) {
      const from = this.sent.length;
      this.run(TICK_MS);
      for (const { message } of this.sent.slice(from)) {
        if (message.kind !== "ping") continue;
        this.hear({ kind: "ack", sequence: message.sequence, payload: null });
      }
    }
  }

  status(name: string): string | undefined {
    return this.gossip.member(name)?.status;
  }

  sentOf<K extends PacketMessage["kind"]>(kind: K): (PacketMessage & { kind: K })[] {
    return this.sent
      .map(({ message }) => message)
      .filter((message): message is PacketMessage & { kind: K } => message.kind === kind);
  }

  sentSerf<K extends SerfMessage["kind"]>(kind: K): (SerfMessage & { kind: K })[] {
    return this.sentOf("user")
      .map(({ message }) => message)
      .filter((message): message is SerfMessage & { kind: K } => message.kind === kind);
  }

  /** Kinds of events with the name they are about. */
  story(): string[] {
    return this.events
      .filter(({ kind }) => kind !== "probed")
      .map((event) => {
        if ("member" in event) return `${event.kind} ${event.member.name}`;
        return "name" in event ? `${event.kind} ${event.name}` : event.kind;
      });
  }

  #take(): void {
    const { packets, streams, replies, events, counts } = this.gossip.ready();
    for (const { to, parts } of packets) {
      const address = `${to.ip.join(".")}:${to.port}`;
      for (const part of parts) {
        this.sent.push({ to: address, message: this.codec.decodePacket(part) });
      }
    }
    this.streams.push(...streams);
    this.replies.push(...replies);
    this.events.push(...events);
    for (const [name, count] of Object.entries(counts)) {
      const key = name as CountName;
      this.counts.set(key, (this.counts.get(key) ?? 0) + count);
    }
  }
}
