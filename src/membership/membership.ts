import {
  assert,
  formatAddress,
  labelsBy,
  limits,
  ProglogError,
  silentObserver,
  systemClock,
  systemRandom,
} from "../base/index.ts";
import type { Clock, Observer, Random } from "../base/index.ts";
import { Gossip, PROFILES } from "../gossip/index.ts";
import type {
  Address,
  Codec,
  GossipEvent,
  GossipStatus,
  IncomingQuery,
  Input,
  Member,
  Profile,
  QueryOptions,
  Tags,
} from "../gossip/index.ts";
import { Deferred } from "./deferred.ts";
import { isSeed, Joiner } from "./joiner.ts";
import { changeKeys, KeyQueries } from "./key-queries.ts";
import { tellGauges } from "./gauges.ts";
import { EventHub } from "./membership-event.ts";
import type { Listener, MembershipEvent } from "./membership-event.ts";
import type { Addresses, GossipKeys, GossipWire } from "./ports.ts";
import { LogBudget } from "./log-budget.ts";
import { RunningQueries } from "./running-queries.ts";
import type { QueryAnswer } from "./running-queries.ts";
import { readSnapshot } from "./snapshot.ts";
import type { Snapshot, SnapshotStore } from "./snapshot.ts";
import { SnapshotKeeper } from "./snapshot-keeper.ts";
import { Ticker } from "./ticker.ts";

export type { QueryAnswer };

export interface MembershipOptions {
  readonly name: string;
  /** Where others reach us: not always what the wire is bound to. */
  readonly address: Address;
  readonly tags: Tags;
  readonly wire: GossipWire;
  readonly keys: GossipKeys;
  readonly codec: Codec;
  readonly addresses: Addresses;
  /** Default: `lan`. */
  readonly profile?: Profile | undefined;
  /** Where members are remembered for the next start. */
  readonly snapshot?: SnapshotStore | undefined;
  readonly observer?: Observer | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
  /** Another member has our name, and the majority's word: this one must stop. */
  readonly onConflictLost?: ((error: ProglogError) => void) | undefined;
}

const TICK_MS = 10;
/** How often gauges are told, at most. */
const GAUGES_MS = 1_000;
const KIND = labelsBy("kind");
const WHAT = labelsBy("what");

/** A member of the cluster: it drives the core, and is what the rest of the server sees of it. */
export class Membership implements AsyncDisposable {
  readonly name: string;
  readonly keyQueries: KeyQueries;
  readonly #gossip: Gossip;
  readonly #wire: GossipWire;
  readonly #keys: GossipKeys;
  readonly #addresses: Addresses;
  readonly #observer: Observer;
  readonly #clock: Clock;
  readonly #lines: LogBudget;
  readonly #onConflictLost: (error: ProglogError) => void;
  readonly #hub = new EventHub();
  readonly #queries: RunningQueries;
  readonly #joiner: Joiner;
  readonly #joins = new Map<number, Deferred<void>>();
  readonly #ticker: Ticker;
  readonly #snapshot: SnapshotKeeper | undefined;
  readonly #remembered: readonly string[];
  readonly #ended = new AbortController();
  #left: Deferred<void> | undefined;
  #tags: Tags;
  #isTurning = false;
  #gaugedAt = 0;
  #closing: Promise<void> | undefined;

  /** Begins at once. The wire is its own from now on. Throws `INVALID_ARGUMENT` for tags or a name that are too long. */
  static async start(options: MembershipOptions): Promise<Membership> {
    const text = await options.snapshot?.read();
    const remembered = text === undefined ? undefined : readSnapshot(text, options.name);
    return new Membership(options, remembered);
  }

  private constructor(options: MembershipOptions, remembered: Snapshot | undefined) {
    const { name, address, tags, wire, codec, snapshot } = options;
    const clock = options.clock ?? systemClock;
    const random = options.random ?? systemRandom;
    this.name = name;
    this.#wire = wire;
    this.#keys = options.keys;
    this.#addresses = options.addresses;
    this.#observer = options.observer ?? silentObserver;
    this.#clock = clock;
    this.#lines = new LogBudget(this.#observer, clock);
    this.#onConflictLost = options.onConflictLost ?? ((): void => undefined);
    this.#tags = tags;
    this.#remembered = remembered?.addresses ?? [];
    this.#gossip = new Gossip({
      name,
      address,
      tags,
      profile: options.profile ?? PROFILES.lan,
      tickMs: TICK_MS,
      random,
      codec,
      packetOverheadBytes: wire.packetOverheadBytes,
      ...(remembered === undefined ? {} : { clocks: remembered.clocks }),
    });
    this.#queries = new RunningQueries();
    this.keyQueries = new KeyQueries(codec, (query, signal) => this.query(query, signal));
    const exchange = (to: Address, ignoreOld: boolean): Promise<void> =>
      this.#exchange(to, ignoreOld);
    const shared = { clock, random, observer: this.#observer };
    this.#joiner = new Joiner({ ...shared, addresses: options.addresses, own: address, exchange });
    if (snapshot !== undefined) {
      const take = (): Snapshot => this.#takeSnapshot();
      this.#snapshot = new SnapshotKeeper(snapshot, clock, this.#observer, take);
    }
    // Series that alerts look at are there from the start.
    for (const what of ["refuted", "probe_failed"]) {
      this.#observer.count("gossip_decisions_total", 0, WHAT(what));
    }
    for (const kind of ["join", "failed", "leave"]) {
      this.#observer.count("gossip_member_events_total", 0, KIND(kind));
    }
    this.#ticker = new Ticker(clock, TICK_MS, {
      ticksUntilDue: () => this.#gossip.ticksUntilDue,
      pass: (ticks) => this.#gossip.tick(ticks),
      expire: (ticks) => this.#expire(ticks),
    });
    this.#tellGauges();
    wire.start((input) => this.#input(input));
    this.#turn(() => undefined);
  }

  get tags(): Tags {
    return this.#tags;
  }

  /** Whether packets are encrypted. */
  get isEncrypted(): boolean {
    return !this.#keys.isEmpty;
  }

  /** Addresses of members that were alive before the last end, as `host:port`. */
  get remembered(): readonly string[] {
    return this.#remembered;
  }

  /** Everybody known, this one included, sorted by name. */
  members(): readonly Member[] {
    return this.#gossip.members();
  }

  status(): GossipStatus {
    return this.#gossip.status();
  }

  /** What happens from now on. A slow reader loses the oldest, and is told so as `lost`. */
  events(signal?: AbortSignal): AsyncIterable<MembershipEvent> {
    return this.#hub.read(signal);
  }

  /** The same by calls, in the turn in which it happened. */
  subscribe(listener: Listener): () => void {
    return this.#hub.subscribe(listener);
  }

  /**
   * Joins through whichever of these addresses answers, and tries until one has: names are resolved
   * each time. Resolves to how many answered; 0 when the membership ended before. Throws
   * `INVALID_ARGUMENT` for what is no address.
   */
  join(addresses: readonly string[]): Promise<number> {
    return this.#joiner.untilJoined(addresses, this.#ended.signal);
  }

  /**
   * Joins, through these or whom we remember, and joins again whenever nobody else is there, as after
   * a long partition, or when the others have forgotten us. Where there are others, a seed that is none of
   * them is joined too: servers that start all at once may have found each other in two groups. Ends
   * with the membership. Throws `INVALID_ARGUMENT` for what is no address.
   */
  keepJoined(addresses: readonly string[]): Promise<void> {
    const wrong = addresses.find((address) => !isSeed(address));
    if (wrong === undefined) return this.#keepJoined(addresses);
    throw new ProglogError("INVALID_ARGUMENT", `${wrong} is not an address to join: host:port`);
  }

  async #keepJoined(addresses: readonly string[]): Promise<void> {
    const { signal } = this.#ended;
    if (addresses.length + this.#remembered.length === 0) return;
    while (!signal.aborted) {
      if (this.#isAlone()) await this.#joiner.untilJoined(addresses, signal, this.#remembered);
      else if (this.#gossip.status().phase === "alive") {
        await this.#joiner.meet(addresses, this.#others());
      }
      await this.#joiner.pause(limits.rejoinCheckMs, signal);
    }
  }

  /** Tries each address once. Throws `UNAVAILABLE` when none answered. */
  joinOnce(addresses: readonly string[], options: { ignoreOld?: boolean } = {}): Promise<number> {
    this.#checkOpen();
    return this.#joiner.once(addresses, options.ignoreOld ?? false);
  }

  /** Tells everybody, and goes on answering until they have heard it. The member does not come back. */
  async leave(): Promise<void> {
    this.#checkOpen();
    if (this.#left === undefined) {
      this.#left = new Deferred<void>();
      this.#turn(() => this.#gossip.leave());
    }
    await this.#left.promise;
  }

  /** Replaces all tags. Throws `INVALID_ARGUMENT` when they are too long. */
  setTags(tags: Tags): void {
    this.#checkOpen();
    this.#turn(() => this.#gossip.setTags(tags));
    this.#tags = tags;
  }

  /** Tells all members, at least once those that are there. Throws `INVALID_ARGUMENT` when it is too long. */
  userEvent(name: string, payload: Uint8Array, coalesce = false): void {
    this.#checkOpen();
    this.#turn(() => this.#gossip.userEvent(name, payload, coalesce));
  }

  /** Asks members; answers come until the query's time is over. */
  query(options: QueryOptions, signal?: AbortSignal): AsyncIterable<QueryAnswer> {
    this.#checkOpen();
    return this.#queries.run(() => this.#turn(() => this.#gossip.query(options)), signal);
  }

  /** Answers a query that came as an event, once. Throws `DEADLINE_EXCEEDED`, `INVALID_ARGUMENT`. */
  respond(query: IncomingQuery, payload: Uint8Array): void {
    this.#turn(() => this.#gossip.respond(query, payload));
  }

  /** Tells everybody that a failed member has left for good. False: nobody has that name. */
  forceLeave(name: string, prune = false): boolean {
    return this.#turn(() => this.#gossip.forceLeave(name, prune));
  }

  /** Ends without a word: to the others it looks like a crash, unless `leave` came before. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#ended.abort();
    this.#ticker.stop();
    await this.#wire.close();
    await this.#snapshot?.close();
    this.#hub.close();
    this.#queries.close();
    const closed = new ProglogError("CLOSED", "the membership is closed");
    for (const join of this.#joins.values()) join.reject(closed);
    this.#joins.clear();
    this.#left?.resolve();
  }

  #checkOpen(): void {
    if (this.#closing === undefined) return;
    throw new ProglogError("CLOSED", "the membership is closed");
  }

  #input(input: Input): void {
    if (this.#closing === undefined) this.#turn(() => this.#gossip.step(input));
  }

  #exchange(to: Address, ignoreOld: boolean): Promise<void> {
    this.#checkOpen();
    const end = new Deferred<void>();
    this.#turn(() => this.#joins.set(this.#gossip.join(to, { ignoreOld }), end));
    return end.promise;
  }

  #isAlone(): boolean {
    return this.status().phase === "alive" && this.#others().length === 0;
  }

  /** Where others live. */
  #others(): Address[] {
    return this.members()
      .filter(({ name, status }) => name !== this.name && /alive|leaving/.test(status))
      .map(({ address }) => address);
  }

  #expire(ticks: number): void {
    this.#turn(() => this.#gossip.tick(ticks));
    if (this.#clock.monotonic() - this.#gaugedAt >= GAUGES_MS) this.#tellGauges();
  }

  #tellGauges(): void {
    this.#gaugedAt = this.#clock.monotonic();
    tellGauges(this.#observer, this.status());
  }

  /** Gives the core something, and does all that it then wants. What that does in turn waits for its end. */
  #turn<T>(give: () => T): T {
    if (this.#isTurning) return give();
    this.#isTurning = true;
    try {
      this.#ticker.sync();
      const given = give();
      this.#doAll();
      return given;
    } finally {
      this.#isTurning = false;
      this.#ticker.arm();
    }
  }

  /** A listener may ask for more while it is told something: so until nothing is wanted. */
  #doAll(): void {
    for (let rounds = 0; ; rounds++) {
      const { packets, streams, replies, events, counts } = this.#gossip.ready();
      for (const packet of packets) this.#wire.send(packet);
      for (const stream of streams) this.#wire.open(stream);
      for (const reply of replies) this.#wire.reply(reply);
      for (const [name, count] of Object.entries(counts)) {
        this.#observer.count("gossip_decisions_total", count, WHAT(name));
      }
      for (const event of events) this.#event(event);
      const did = packets.length + streams.length + replies.length + events.length;
      if (did === 0) return;
      assert(rounds < limits.membershipRoundsMax, "a turn of membership comes to an end");
    }
  }

  #event(event: GossipEvent): void {
    switch (event.kind) {
      case "join":
      case "update":
      case "leave":
      case "failed":
      case "reap": {
        const { name, address, tags } = event.member;
        const at = `${this.#addresses.format(address.ip)}:${address.port}`;
        const isOwn = name === this.name;
        const level = event.kind === "failed" ? "warn" : isOwn ? "debug" : "info";
        this.#lines.log(level, `member.${event.kind}`, { member: name, address: at });
        this.#observer.count("gossip_member_events_total", 1, KIND(event.kind));
        if (isOwn) this.#tags = tags;
        this.#snapshot?.touch();
        this.#hub.emit(event);
        return;
      }
      case "user": {
        const { name, payload, time, coalesce } = event.event;
        this.#hub.emit({ kind: "user", name, payload, time, coalesce });
        this.#snapshot?.touch();
        return;
      }
      case "query": {
        this.#snapshot?.touch();
        this.#hub.emit(event);
        return;
      }
      case "key-request": {
        const response = changeKeys(this.#keys, event.operation, event.key);
        const { ok, text } = response;
        const { operation } = event;
        this.#lines.log("info", "gossip.key-asked", {
          operation,
          ok,
          from: event.query.from,
          text,
        });
        this.#gossip.respondKey(event.query, response);
        return;
      }
      case "query-ack":
      case "query-response":
      case "query-done":
        this.#queries.take(event);
        return;
      case "joined":
      case "join-failed": {
        const join = this.#joins.get(event.join);
        this.#joins.delete(event.join);
        if (event.kind === "joined") join?.resolve();
        else join?.reject(new ProglogError("UNAVAILABLE", event.text));
        return;
      }
      case "left":
        this.#left?.resolve();
        return;
      case "conflict": {
        const claimed = this.#addressOf(event.claimed);
        this.#lines.log("warn", "member.conflict", { member: event.name, claimed });
        return;
      }
      case "conflict-lost": {
        const { membersFor, membersAsked } = event;
        const sentence = `another member is called ${this.name}: ${membersFor} of ${membersAsked} say so`;
        this.#observer.log("error", "gossip.conflict-lost", { membersFor, membersAsked });
        this.#onConflictLost(new ProglogError("CONFIGURATION", sentence));
        return;
      }
      case "probed":
        this.#observer.measure("gossip_probe_seconds", (event.latencyTicks * TICK_MS) / 1_000);
        return;
      case "suspected":
        this.#observer.count("gossip_suspected_total");
        this.#lines.log("info", "member.suspected", { member: event.name, by: event.from });
        return;
      case "tcp-only": {
        this.#observer.count("gossip_tcp_only_total");
        this.#lines.log("warn", "gossip.tcp-only", { member: event.name });
        return;
      }
    }
  }

  #takeSnapshot(): Snapshot {
    const { clocks } = this.status();
    const addresses = this.members()
      .filter(({ name, status }) => name !== this.name && status === "alive")
      .slice(0, limits.snapshotMembersMax)
      .map(({ address }) => this.#addressOf(address));
    // Who ends alone still remembers whom it once knew.
    return {
      name: this.name,
      clocks,
      addresses: addresses.length > 0 ? addresses : this.#remembered,
    };
  }

  #addressOf({ ip, port }: Address): string {
    return formatAddress(this.#addresses.format(ip), port);
  }
}
