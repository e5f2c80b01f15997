import { below, limits, ProglogError } from "../base/index.ts";
import { startCaretaker } from "./caretaker.ts";
import { Context } from "./context.ts";
import type { Address, KeyResponse, PacketMessage, StreamMessage, Tags } from "./message.ts";
import type { Clocks, GossipOptions, JoinOptions, QueryOptions } from "./options.ts";
import { Prober } from "./probe.ts";
import { PushPuller } from "./push-pull.ts";
import type { IncomingQuery, Input, Member, Ready } from "./ready.ts";
import { Sender } from "./sender.ts";
import { Serf } from "./serf.ts";
import { MemberStates } from "./states.ts";
import { Streams } from "./streams.ts";

/** Gauges: what a metrics page or `serf info` shows. */
export interface GossipStatus {
  readonly membersByStatus: Readonly<Record<Member["status"], number>>;
  /** 0 is healthy; see `Awareness`. */
  readonly healthScore: number;
  readonly incarnation: number;
  readonly suspicionsCount: number;
  readonly memberQueueLength: number;
  readonly intentQueueLength: number;
  readonly eventQueueLength: number;
  readonly queryQueueLength: number;
  readonly clocks: Clocks;
  readonly phase: "alive" | "leaving" | "left";
}

/**
 * The core of membership. Synchronous, without a clock, without I/O; after each call the driver takes
 * `ready()` and does what it says.
 */
export class Gossip {
  readonly #context: Context;
  readonly #sender: Sender;
  readonly #states: MemberStates;
  readonly #serf: Serf;
  readonly #prober: Prober;
  readonly #streams: Streams;
  readonly #pushPuller: PushPuller;
  #tags: Tags;

  /** Throws `INVALID_ARGUMENT` when name or tags are too long. */
  constructor(options: GossipOptions) {
    checkName(options.name);
    const context = new Context(options);
    this.#context = context;
    this.#tags = options.tags;
    this.#sender = new Sender(context, options.packetOverheadBytes ?? 0);
    const times = options.clocks ?? { time: 1, eventTime: 1, queryTime: 1 };
    this.#serf = new Serf(context, this.#sender, times, {
      tags: () => this.#tags,
      call: (to, name, ms, answered) => this.#prober.call(to, name, ms, answered),
    });
    const meta = this.#encodeTags(options.tags);
    this.#states = new MemberStates(context, this.#sender, this.#serf, meta);
    this.#streams = new Streams(context);
    this.#prober = new Prober(
      context,
      this.#sender,
      this.#states,
      (to, ping, timeoutMs, answered) => {
        this.#streams.open(to, ping, timeoutMs, {
          replied: (message) => {
            if (message.kind === "ack" && message.sequence === ping.sequence) answered();
          },
          failed: () => undefined,
        });
      },
    );
    this.#pushPuller = new PushPuller(context, this.#states, this.#streams, this.#serf);
    this.#start();
  }

  /** Takes one input. Whatever a peer sent, it does not throw. */
  step(input: Input): void {
    switch (input.kind) {
      case "packet":
        for (const message of input.messages) this.#packet(message, input.from);
        return;
      case "stream": {
        this.#context.outbox.reply({
          stream: input.stream,
          message: this.#answer(input.message),
        });
        return;
      }
      case "stream-reply": {
        this.#streams.replied(input.stream, input.message);
        return;
      }
      case "stream-failed": {
        this.#streams.failed(input.stream, input.text);
        return;
      }
    }
  }

  /**
   * So many times `tickMs` have passed. A driver that was held up reads its sockets first, and does
   * not catch up: what others could not tell us must not count against them.
   */
  tick(ticks = 1): void {
    this.#context.schedule.advance(ticks);
  }

  /** For so many ticks, nothing but inputs can change anything. At least 1. */
  get ticksUntilDue(): number {
    return this.#context.schedule.ticksUntilDue;
  }

  /** Everything to be done since the last call. */
  ready(): Ready {
    return this.#context.outbox.take();
  }

  /** Everybody known, ourselves included, sorted by name. */
  members(): readonly Member[] {
    const { roster } = this.#serf;
    return [...roster.values()]
      .map((entry) => roster.view(entry))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  member(name: string): Member | undefined {
    const entry = this.#serf.roster.get(name);
    return entry === undefined ? undefined : this.#serf.roster.view(entry);
  }

  status(): GossipStatus {
    const membersByStatus = { alive: 0, leaving: 0, left: 0, failed: 0 };
    for (const { status } of this.#serf.roster.values()) membersByStatus[status] += 1;
    const { members, events, queries } = this.#sender.queues;
    const { clocks } = this.#serf;
    return {
      membersByStatus,
      healthScore: this.#context.awareness.score,
      incarnation: this.#states.self.incarnation,
      suspicionsCount: this.#context.members.values().filter(({ state }) => state === "suspect")
        .length,
      memberQueueLength: members.length,
      intentQueueLength: this.#sender.queues.intents.length,
      eventQueueLength: events.length,
      queryQueueLength: queries.length,
      clocks: {
        time: clocks.members.time,
        eventTime: clocks.events.time,
        queryTime: clocks.queries.time,
      },
      phase: this.#serf.phase,
    };
  }

  /** Exchanges states with whoever is at `to`; ends as event `joined` or `join-failed` of that number. */
  join(to: Address, options: JoinOptions = {}): number {
    const { outbox } = this.#context;
    let join = 0;
    join = this.#pushPuller.join(to, options.ignoreOld ?? false, {
      done: (membersCount) => {
        this.#serf.announceJoin();
        outbox.event({ kind: "joined", join, membersCount });
      },
      failed: (text) => outbox.event({ kind: "join-failed", join, text }),
    });
    return join;
  }

  /** Begins the graceful leave; its end is the event `left`. Terminal: this object does not join again. */
  leave(): void {
    this.#serf.leave(this.#states);
  }

  /** Throws `INVALID_ARGUMENT` when the encoded tags are too long. */
  setTags(tags: Tags): void {
    const meta = this.#encodeTags(tags);
    this.#tags = tags;
    this.#states.setMeta(meta);
  }

  /** Throws `INVALID_ARGUMENT` when name and payload are too long. */
  userEvent(name: string, payload: Uint8Array, coalesce = false): void {
    this.#serf.userEvent(name, payload, coalesce);
  }

  /** The number of the query in the events to come. Throws `INVALID_ARGUMENT`, `RESOURCE_EXHAUSTED`. */
  query(options: QueryOptions): number {
    return this.#serf.query(options);
  }

  /** Answers a query of somebody, once. Throws `DEADLINE_EXCEEDED`, `INVALID_ARGUMENT`. */
  respond(query: IncomingQuery, payload: Uint8Array): void {
    this.#serf.queries.respond(query, payload);
  }

  respondKey(query: IncomingQuery, response: KeyResponse): void {
    this.#serf.respondKey(query, response);
  }

  /** Tells everybody that a failed member has left for good. False: it is unknown. */
  forceLeave(name: string, prune = false): boolean {
    return this.#serf.forceLeave(name, prune);
  }

  /** After a change of the keyring. */
  setPacketOverhead(bytes: number): void {
    this.#sender.packetOverheadBytes = bytes;
  }

  #start(): void {
    const { schedule, profile, random } = this.#context;
    this.#states.start();
    this.#prober.start();
    this.#pushPuller.start();
    const gossip = this.#context.ticks(profile.gossipIntervalMs);
    schedule.every(
      1 + below(random, gossip),
      () => gossip,
      () => this.#sender.gossip(),
    );
    startCaretaker(this.#context, this.#states, this.#serf, (to) => {
      const ignore = (): void => undefined;
      this.#pushPuller.join(to, false, { done: ignore, failed: ignore });
    });
  }

  #packet(message: PacketMessage, from: Address): void {
    switch (message.kind) {
      case "ping": {
        this.#prober.ping(message, from);
        return;
      }
      case "indirect-ping": {
        this.#prober.indirectPing(message, from);
        return;
      }
      case "ack": {
        this.#prober.ack(message);
        return;
      }
      case "nack": {
        this.#prober.nack(message);
        return;
      }
      case "alive": {
        this.#states.alive(message);
        return;
      }
      case "suspect": {
        this.#states.suspect(message);
        return;
      }
      case "dead": {
        this.#states.dead(message);
        return;
      }
      case "user": {
        this.#serf.take(message.message);
        return;
      }
    }
  }

  /** What a peer gets on a stream that it opened. */
  #answer(message: StreamMessage): StreamMessage | undefined {
    switch (message.kind) {
      case "push-pull":
        return this.#pushPuller.answer(message);
      case "ping": {
        const { name, sequence } = message;
        if (name !== "" && name !== this.#context.name) return undefined;
        return { kind: "ack", sequence, payload: null };
      }
      case "user":
        this.#serf.take(message.message);
        return undefined;
      case "ack":
      case "error":
        this.#context.outbox.count("stream_refused");
        return undefined;
    }
  }

  #encodeTags(tags: Tags): Uint8Array {
    const meta = this.#context.codec.encodeTags(tags);
    if (meta.length > limits.gossipMetaBytesMax) {
      const sentence = `the tags take ${meta.length} bytes; at most ${limits.gossipMetaBytesMax} are allowed`;
      throw new ProglogError("INVALID_ARGUMENT", sentence);
    }
    return meta;
  }
}

function checkName(name: string): void {
  if (name !== "" && name.length <= limits.gossipNameCharsMax) return;
  const sentence = `a member's name has 1 to ${limits.gossipNameCharsMax} characters, not ${name.length}`;
  throw new ProglogError("INVALID_ARGUMENT", sentence);
}
