import { limits, ProglogError } from "../base/index.ts";
import type { Context } from "./context.ts";
import { SeenTimes } from "./event-log.ts";
import { matchesExpression } from "./expression.ts";
import type { Query, QueryFilter, QueryResponse, Tags } from "./message.ts";
import type { QueryOptions } from "./options.ts";
import type { IncomingQuery } from "./ready.ts";
import type { Roster } from "./roster.ts";
import type { Sender } from "./sender.ts";

/** Rounds of gossip that the answers are waited for, times the logarithm of the members. */
const TIMEOUT_ROUNDS = 16;
/** Names of Serf's own queries begin so. */
export const INTERNAL_PREFIX = "_serf_";

/** Who gets the answers to a query of ours. */
export interface QueryListener {
  acked?(from: string): void;
  responded(from: string, payload: Uint8Array): void;
  done(): void;
}

interface OpenQuery {
  readonly id: number;
  readonly listener: QueryListener;
  readonly acked: Set<string>;
  readonly responded: Set<string>;
}

/** Questions to everybody, whose answers come by packet straight to who asked. */
export class Queries {
  readonly #context: Context;
  readonly #sender: Sender;
  readonly #roster: Roster;
  readonly #tags: () => Tags;
  readonly #asked: (query: IncomingQuery) => void;
  readonly #seen: SeenTimes<number>;
  readonly #timeMin: number;
  readonly #open = new Map<number, OpenQuery>();
  readonly #answered = new WeakSet<IncomingQuery>();

  constructor(
    context: Context,
    sender: Sender,
    roster: Roster,
    time: number,
    tags: () => Tags,
    asked: (query: IncomingQuery) => void,
  ) {
    this.#context = context;
    this.#sender = sender;
    this.#roster = roster;
    this.#tags = tags;
    this.#asked = asked;
    this.#seen = new SeenTimes(time);
    this.#timeMin = time > 1 ? time : 0;
  }

  get clock(): SeenTimes<number>["clock"] {
    return this.#seen.clock;
  }

  get isFull(): boolean {
    return this.#open.size >= limits.gossipQueriesMax;
  }

  /** Returns the Lamport time, which names the query among ours. */
  ask(options: QueryOptions, listener: QueryListener): number {
    const { name, payload, ack = false, relayFactor = 0 } = options;
    if (this.isFull) {
      throw new ProglogError("RESOURCE_EXHAUSTED", "too many queries are running");
    }
    const { name: self, address, schedule } = this.#context;
    const timeoutMs = Math.min(
      options.timeoutMs ?? this.#defaultTimeoutMs(),
      limits.gossipQueryTimeoutMsMax,
    );
    if (!(timeoutMs > 0)) {
      throw new ProglogError("INVALID_ARGUMENT", `a query cannot run for ${timeoutMs} ms`);
    }
    const query: Query = {
      kind: "query",
      time: this.clock.time,
      id: this.#context.random.u32(),
      source: { name: self, ip: address.ip, port: address.port },
      filters: filtersOf(options),
      ack,
      noBroadcast: false,
      relayFactor: Math.min(relayFactor, limits.gossipRelayFactorMax),
      timeoutMs,
      name,
      payload,
    };
    const bytes = this.#context.codec.encodeSerf(query).length;
    if (bytes > limits.gossipQueryBytesMax) {
      const sentence = `a query takes ${bytes} bytes; at most ${limits.gossipQueryBytesMax} are allowed`;
      throw new ProglogError("INVALID_ARGUMENT", sentence);
    }
    const { time } = query;
    this.clock.increment();
    this.#open.set(time, { id: query.id, listener, acked: new Set(), responded: new Set() });
    schedule.after(this.#context.ticks(timeoutMs), () => {
      this.#open.delete(time);
      listener.done();
    });
    this.take(query);
    this.#sender.broadcastSerf("queries", query);
    return time;
  }

  /** A query of somebody, or our own. True: it was news, and is to be told to others. */
  take(query: Query): boolean {
    const { outbox } = this.#context;
    this.clock.witness(query.time);
    if (query.time < this.#timeMin) return false;
    if (this.#seen.isTooOld(query.time)) {
      outbox.count("query_too_old");
      return false;
    }
    const seen = this.#seen.at(query.time);
    if (seen.includes(query.id)) return false;
    const { name, payload, filters } = query;
    const isTooLarge =
      name.length + payload.length > limits.gossipEventBytesPerTimeMax ||
      filters.length > limits.gossipQueryFiltersMax;
    if (seen.length >= limits.gossipEventsPerTimeMax || isTooLarge) {
      outbox.count("query_limit");
      return false;
    }
    seen.push(query.id);
    if (query.filters.every((filter) => this.#matches(filter))) this.#receive(query);
    return !query.noBroadcast;
  }

  response(response: QueryResponse): void {
    const query = this.#open.get(response.time);
    const known = this.#roster.get(response.from) !== undefined;
    if (query === undefined || query.id !== response.id || !known) {
      this.#context.outbox.count("response_unknown");
      return;
    }
    const heard = response.ack ? query.acked : query.responded;
    // Relayed answers come more than once.
    if (heard.has(response.from)) return;
    heard.add(response.from);
    if (response.ack) query.listener.acked?.(response.from);
    else query.listener.responded(response.from, response.payload);
  }

  respond(query: IncomingQuery, payload: Uint8Array): void {
    if (this.#context.now > query.deadlineTick) {
      throw new ProglogError("DEADLINE_EXCEEDED", "the query is over");
    }
    if (this.#answered.has(query)) {
      throw new ProglogError("INVALID_ARGUMENT", "the query was answered before");
    }
    const response = this.#response(query, false, payload);
    const bytes = this.#context.codec.encodeSerf(response).length;
    if (bytes > limits.gossipQueryBytesMax) {
      const sentence = `an answer takes ${bytes} bytes; at most ${limits.gossipQueryBytesMax} are allowed`;
      throw new ProglogError("INVALID_ARGUMENT", sentence);
    }
    this.#answered.add(query);
    this.#reply(query, response);
  }

  #receive(query: Query): void {
    const timeoutMs = Math.min(Math.max(0, query.timeoutMs), limits.gossipQueryTimeoutMsMax);
    const incoming: IncomingQuery = {
      time: query.time,
      id: query.id,
      name: query.name,
      payload: query.payload,
      from: query.source.name,
      source: query.source,
      relayFactor: Math.min(query.relayFactor, limits.gossipRelayFactorMax),
      deadlineTick: this.#context.now + this.#context.ticks(timeoutMs),
    };
    if (query.ack) this.#reply(incoming, this.#response(incoming, true, new Uint8Array()));
    this.#asked(incoming);
  }

  #response(query: IncomingQuery, ack: boolean, payload: Uint8Array): QueryResponse {
    const { time, id } = query;
    return { kind: "query-response", time, id, from: this.#context.name, ack, payload };
  }

  /** Straight to who asked, and through others when it wants that. */
  #reply(query: IncomingQuery, message: QueryResponse): void {
    const { source, relayFactor } = query;
    if (source.name === this.#context.name) {
      this.response(message);
      return;
    }
    this.#sender.sendSerf(source, source.name, message);
    if (relayFactor <= 0 || this.#roster.size <= relayFactor) return;
    const relays = this.#context.members.pick(
      relayFactor,
      ({ name, state }) => name !== this.#context.name && name !== source.name && state === "alive",
    );
    for (const { address, name } of relays) {
      this.#sender.sendSerf(address, name, { kind: "relay", destination: source, message });
    }
  }

  #matches(filter: QueryFilter): boolean {
    if (filter.kind === "names") return filter.names.includes(this.#context.name);
    const tags = this.#tags();
    const value = Object.hasOwn(tags, filter.tag) ? (tags[filter.tag] ?? "") : "";
    const matches = matchesExpression(filter.expression, value);
    if (matches === undefined) this.#context.outbox.count("query_filter_refused");
    return matches ?? false;
  }

  #defaultTimeoutMs(): number {
    const rounds = TIMEOUT_ROUNDS * Math.ceil(Math.log10(this.#roster.size + 1));
    return rounds * this.#context.profile.gossipIntervalMs;
  }
}

function filtersOf({ names = [], tags = {} }: QueryOptions): QueryFilter[] {
  const byTag = Object.entries(tags).map(([tag, expression]): QueryFilter => ({
    kind: "tag",
    tag,
    expression,
  }));
  return names.length === 0 ? byTag : [{ kind: "names", names }, ...byTag];
}
