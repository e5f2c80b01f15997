import type { Socket } from "node:net";
import { setImmediate as afterTurn } from "node:timers/promises";
import type { Clock, Observer } from "../../base/index.ts";
import { logWire } from "../../log/index.ts";
import type { Entry } from "../../log/index.ts";
import { Mux } from "../mux.ts";
import type { PeerRole, Refused } from "../peer-greeting.ts";
import type { Hello, HelloAnswer, PeerIdentity } from "../peer-hello.ts";
import { dialPlain } from "../peer-link.ts";
import type { PeerDial, PeerLinkOptions } from "../peer-link.ts";
import { PeerLinks } from "../peer-links.ts";
import { PeerListener } from "../peer-listener.ts";
import type { PeerMessage } from "../peer-message.ts";

export type Message = PeerMessage<Entry>;

export const CLUSTER_ID = "0123456789abcdef0123456789abcdef";

export interface PeerServerOptions {
  readonly name: string;
  readonly replicaId: number;
  readonly identity?: Partial<PeerIdentity>;
  readonly log?: string;
  readonly identify?: (socket: Socket) => PeerRole;
  readonly refuses?: (hello: Hello) => Refused | undefined;
  readonly handle?: (message: Message, hello: Hello) => void | Promise<void>;
  readonly clock?: Clock;
  readonly observer?: Observer;
  readonly dial?: PeerDial;
}

/** A server with links, a listener and the one port, and what it was told. */
export class PeerServer implements AsyncDisposable {
  readonly options: PeerServerOptions;
  readonly received: Message[] = [];
  readonly answers: HelloAnswer[] = [];
  readonly hellos: Hello[] = [];
  readonly failures: string[] = [];
  readonly dialled: Socket[] = [];
  readonly listener: PeerListener<Entry>;
  readonly links: PeerLinks<Entry>;
  unreachable = 0;
  /** Shared by all servers of a test: where each one is now. */
  readonly #ports: Map<string, number>;
  #mux: Mux | undefined;

  constructor(ports: Map<string, number>, options: PeerServerOptions) {
    this.#ports = ports;
    this.options = options;
    const { clock, observer } = options;
    const common = {
      identity: () => this.identity,
      log: options.log ?? "default",
      wire: logWire,
      ...(clock && { clock }),
      ...(observer && { observer }),
    };
    this.listener = new PeerListener<Entry>({
      ...common,
      identify: options.identify ?? (() => ({ kind: "anyPeer" })),
      refuses: options.refuses,
      onHello: (hello) => void this.hellos.push(hello),
      handle: (message, hello) => {
        this.received.push(message);
        return options.handle?.(message, hello);
      },
      onFailure: (_hello, error) => void this.failures.push(error.code),
    });
    this.links = new PeerLinks<Entry>(this.linkOptions(common));
  }

  get identity(): PeerIdentity {
    const { name, replicaId, identity } = this.options;
    const own = { name, replicaId, featureLevelMax: 1, damaged: false };
    return { clusterName: "proglog", clusterId: CLUSTER_ID, ...own, ...identity };
  }

  get mux(): Mux {
    if (this.#mux === undefined) throw new Error("not listening");
    return this.#mux;
  }

  linkOptions(common: Pick<PeerLinkOptions<Entry>, "identity" | "log" | "wire">) {
    const { dial = dialPlain } = this.options;
    return {
      ...common,
      resolve: ({ name }: { readonly name: string }) => {
        const port = this.#ports.get(name);
        if (port === undefined) throw new Error(`${name} is nowhere`);
        return { host: "127.0.0.1", port };
      },
      dial: (async (address, options) => {
        const socket = (await dial(address, options)) as Socket;
        this.dialled.push(socket);
        return socket;
      }) satisfies PeerDial,
      onUnreachable: () => void (this.unreachable += 1),
      onAnswer: (_member: unknown, answer: HelloAnswer) => void this.answers.push(answer),
    };
  }

  async listen(): Promise<this> {
    this.#mux = await Mux.listen({
      host: "127.0.0.1",
      port: 0,
      protocols: [this.listener.protocol],
    });
    this.#ports.set(this.options.name, this.#mux.address.port);
    return this;
  }

  /** As a process that is gone: no port, no connection. */
  async vanish(): Promise<void> {
    await this.mux.close();
  }

  connect(...servers: readonly PeerServer[]): void {
    this.links.connect(servers.map(({ options: { name, replicaId } }) => ({ name, replicaId })));
  }

  async connected(...servers: readonly PeerServer[]): Promise<void> {
    this.connect(...servers);
    await until(() => servers.every(({ options }) => this.links.isOpen(options.replicaId)));
  }

  heartbeat(to: PeerServer, readRound: number): void {
    const ends = { from: this.options.replicaId, to: to.options.replicaId };
    const message = { kind: "heartbeat", ...ends, term: 1, commit: 0, readRound } as const;
    this.links.send({ kind: "raft", log: "default", ...ends, message, entries: [], freeBytes: 1 });
  }

  /** Entries of one size, as a leader sends them. */
  append(to: PeerServer, entries: readonly Entry[]): void {
    const ends = { from: this.options.replicaId, to: to.options.replicaId };
    const numbers = { previousIndex: 0, previousTerm: 0, commit: 0, damageId: 0, repairIndex: 0 };
    const message = { kind: "appendEntries", ...ends, term: 1, ...numbers, entries: [] } as const;
    this.links.send({ kind: "raft", log: "default", ...ends, message, entries, freeBytes: 1 });
  }

  call(to: PeerServer, call: number): void {
    const ends = { from: this.options.replicaId, to: to.options.replicaId };
    const payload = new TextEncoder().encode("question");
    this.links.send({ kind: "call", log: "default", ...ends, call, method: 1, payload });
  }

  async close(): Promise<void> {
    await Promise.all([this.links.close(), this.listener.close(), this.#mux?.close()]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Reads rounds of heartbeats, in the order in which they came. */
export function roundsOf({ received }: PeerServer): number[] {
  return received.flatMap((message) =>
    message.kind === "raft" && message.message.kind === "heartbeat"
      ? [message.message.readRound]
      : [],
  );
}

/** The first index of each append, in the order in which they came. */
export function indexesOf({ received }: PeerServer): number[] {
  return received.flatMap((message) =>
    message.kind === "raft" && message.message.kind === "appendEntries"
      ? [message.entries[0]?.index ?? 0]
      : [],
  );
}

/** Resolves when a condition holds; the runner ends the test if it never does. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await afterTurn();
}

/** Time that passes when it is told to. */
export class ManualClock implements Clock {
  ms = 0;
  readonly #timers = new Set<{ readonly at: number; readonly callback: () => void }>();

  now(): number {
    return this.ms;
  }
  monotonic(): number {
    return this.ms;
  }
  after(ms: number, callback: () => void): () => void {
    const timer = { at: this.ms + ms, callback };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }
  get timers(): number {
    return this.#timers.size;
  }
  advance(ms: number): void {
    this.ms += ms;
    for (const timer of [...this.#timers]) {
      if (timer.at <= this.ms && this.#timers.delete(timer)) timer.callback();
    }
  }
}
