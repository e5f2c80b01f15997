import { limits, ProglogError } from "../base/index.ts";
import type { Context } from "./context.ts";
import { EventLog } from "./event-log.ts";
import { LamportClock } from "./lamport.ts";
import { Leave } from "./leave.ts";
import type { SwimMember } from "./member.ts";
import type { Alive, KeyResponse, SerfMessage, SerfState, Tags, UserEvent } from "./message.ts";
import { type Call, CONFLICT_QUERY, NameVote } from "./name-vote.ts";
import type { Clocks, QueryOptions } from "./options.ts";
import type { StateExchange } from "./push-pull.ts";
import { INTERNAL_PREFIX, Queries } from "./queries.ts";
import type { IncomingQuery, KeyOperation } from "./ready.ts";
import { Roster } from "./roster.ts";
import type { QueueName, Sender } from "./sender.ts";
import { localSerfState, mergeSerfState, type SerfClocks } from "./serf-exchange.ts";
import type { MemberStates, StatesListener } from "./states.ts";

const KEY_QUERIES: Readonly<Record<string, KeyOperation>> = {
  [`${INTERNAL_PREFIX}install-key`]: "install",
  [`${INTERNAL_PREFIX}use-key`]: "use",
  [`${INTERNAL_PREFIX}remove-key`]: "remove",
  [`${INTERNAL_PREFIX}list-keys`]: "list",
};

/** Serf's half: what rides on SWIM as user messages, and what is made of SWIM's findings. */
export class Serf implements StatesListener, StateExchange {
  readonly roster: Roster;
  readonly queries: Queries;
  readonly clocks: SerfClocks;
  readonly #context: Context;
  readonly #sender: Sender;
  readonly #events: EventLog;
  readonly #vote: NameVote;
  #leave: Leave | undefined;
  #conflictToldTick = 0;

  constructor(
    context: Context,
    sender: Sender,
    times: Clocks,
    { tags, call }: { readonly tags: () => Tags; readonly call: Call },
  ) {
    this.#context = context;
    this.#sender = sender;
    const members = new LamportClock(times.time);
    this.roster = new Roster(context, members, () => this.announceJoin());
    this.#events = new EventLog(context, times.eventTime);
    this.queries = new Queries(context, sender, this.roster, times.queryTime, tags, (query) =>
      this.#asked(query),
    );
    this.clocks = { members, events: this.#events.clock, queries: this.queries.clock };
    this.#vote = new NameVote(context, this.queries, this.roster, call);
  }

  get phase(): Leave["phase"] {
    return this.#leave?.phase ?? "alive";
  }

  joined(member: SwimMember): void {
    this.roster.joined(member);
  }

  updated(member: SwimMember): void {
    this.roster.updated(member);
  }

  gone(member: SwimMember): void {
    this.roster.gone(member);
  }

  conflict({ name }: SwimMember, { address }: Alive): void {
    const { outbox, now } = this.#context;
    if (name === this.#context.name) this.#vote.begin(address);
    if (now < this.#conflictToldTick) return;
    this.#conflictToldTick = now + this.#context.ticks(limits.gossipComplaintIntervalMs);
    outbox.event({ kind: "conflict", name, claimed: address });
  }

  hasRoomFor(name: string): boolean {
    return this.roster.hasRoomFor(name);
  }

  hasLeft(name: string): boolean {
    return this.roster.get(name)?.status === "left";
  }

  local(): SerfState {
    return localSerfState(this.clocks, this.roster, this.#events);
  }

  merge(state: SerfState, join: boolean, ignoreOld: boolean): void {
    const { members, events, queries } = this.clocks;
    const believed = [
      members.admits(state.time),
      events.admits(state.eventTime),
      queries.admits(state.queryTime),
    ];
    if (!believed.every(Boolean)) {
      this.#context.outbox.count("time_refused");
      return;
    }
    mergeSerfState(state, join && ignoreOld, this.clocks, this.roster, this.#events);
  }

  /** A message of a packet. */
  take(message: SerfMessage): void {
    switch (message.kind) {
      case "leave-intent":
      case "join-intent":
        if (!this.#admits(this.clocks.members, message.time)) return;
        if (message.name.length > limits.gossipNameCharsMax) {
          this.#context.outbox.count("member_name_invalid");
          return;
        }
        {
          this.#pass("intents", message, this.#intent(message));
          return;
        }
      case "user-event":
        if (!this.#admits(this.clocks.events, message.time)) return;
        {
          this.#pass("events", message, this.#events.take(message));
          return;
        }
      case "query":
        if (!this.#admits(this.clocks.queries, message.time)) return;
        {
          this.#pass("queries", message, this.queries.take(message));
          return;
        }
      case "query-response": {
        this.queries.response(message);
        return;
      }
      case "relay": {
        this.#sender.sendSerf(message.destination, message.destination.name, message.message);
        return;
      }
      case "conflict-response":
      case "key-request":
      case "key-response":
        // These are payloads and never stand alone.
        return;
    }
  }

  /** We are here, as of now: after a join, and whenever somebody says that we are leaving. */
  announceJoin(): void {
    const { time } = this.clocks.members;
    const intent = { kind: "join-intent", time, name: this.#context.name } as const;
    this.roster.joinIntent(intent);
    this.#sender.broadcastSerf("intents", intent);
  }

  leave(states: MemberStates): void {
    this.#leave ??= new Leave(this.#context, this.#sender, states, this.roster);
    this.#leave.begin();
  }

  forceLeave(name: string, prune: boolean): boolean {
    if (this.roster.get(name) === undefined) return false;
    const time = this.clocks.members.increment();
    const intent = { kind: "leave-intent", time, name, prune } as const;
    this.roster.leaveIntent(intent);
    this.#sender.broadcastSerf("intents", intent);
    return true;
  }

  userEvent(name: string, payload: Uint8Array, coalesce: boolean): void {
    const bytes = new TextEncoder().encode(name).length + payload.length;
    if (bytes > limits.gossipEventBytesMax) {
      const sentence = `an event takes ${bytes} bytes; at most ${limits.gossipEventBytesMax} are allowed`;
      throw new ProglogError("INVALID_ARGUMENT", sentence);
    }
    const time = this.clocks.events.increment();
    const event: UserEvent = { kind: "user-event", time, name, payload, coalesce };
    this.#events.take(event);
    this.#sender.broadcastSerf("events", event);
  }

  /** A query of our own, whose answers become events. */
  query(options: QueryOptions): number {
    const { outbox } = this.#context;
    // Known before, because our own acknowledgement comes within the call.
    const query = this.queries.clock.time;
    this.queries.ask(options, {
      acked: (from) => outbox.event({ kind: "query-ack", query, from }),
      responded: (from, payload) => outbox.event({ kind: "query-response", query, from, payload }),
      done: () => outbox.event({ kind: "query-done", query }),
    });
    return query;
  }

  respondKey(query: IncomingQuery, response: KeyResponse): void {
    this.queries.respond(query, this.#context.codec.encodeSerf(response));
  }

  #intent(message: SerfMessage & { kind: "leave-intent" | "join-intent" }): boolean {
    if (message.kind === "join-intent") return this.roster.joinIntent(message);
    return this.roster.leaveIntent(message);
  }

  /** What is news is told to others, as it came. */
  #pass(queue: Exclude<QueueName, "members">, message: SerfMessage, isNews: boolean): void {
    if (isNews && !this.#sender.broadcastSerf(queue, message)) {
      this.#context.outbox.count("event_limit");
    }
  }

  #admits(clock: LamportClock, time: number): boolean {
    const isAdmitted = clock.admits(time);
    if (!isAdmitted) this.#context.outbox.count("time_refused");
    return isAdmitted;
  }

  #asked(query: IncomingQuery): void {
    const { outbox, codec } = this.#context;
    if (!query.name.startsWith(INTERNAL_PREFIX)) {
      outbox.event({ kind: "query", query });
      return;
    }
    if (query.name === CONFLICT_QUERY) {
      this.#vote.answer(query);
      return;
    }
    const operation = KEY_QUERIES[query.name];
    // `_serf_ping` wants the acknowledgement alone, and what we do not know gets no more either.
    if (operation === undefined) return;
    const request = codec.decodeSerf(query.payload);
    if (operation !== "list" && request?.kind !== "key-request") return;
    const key = request?.kind === "key-request" ? request.key : new Uint8Array();
    outbox.event({ kind: "key-request", query, operation, key });
  }
}
