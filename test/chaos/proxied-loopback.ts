import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { freePort } from "../system/support/ports.ts";
import type { Slowness } from "../system/support/netns.ts";
import type { Host, Wires } from "./wires.ts";

/** The four bytes that a replica begins with when it dials another one (docs/format.md). */
const REPLICA_MAGIC = Buffer.from("b1504c52", "hex");
/** Magic, frame head, three numbers, then the identity: replica id, feature level, damaged; name. */
const NAME_AT = 4 + 8 + 5 + 8 + 4 + 1;
const PACE_MS = 50;

interface Passing {
  /** Who dialled; undefined: a client. */
  from: number | undefined;
  readonly to: number;
  readonly sides: readonly [Socket, Socket];
  /** What was received and not passed on, by side. */
  readonly held: [Buffer[], Buffer[]];
}

/**
 * Servers on loopback, each behind a proxy of its own, which others and clients are told. Who dials says
 * so in his first frame: so one pair of servers can be cut apart. Bytes of a cut direction wait, as
 * TCP would keep them. Gossip goes over UDP and is cut off from nobody.
 */
export class ProxiedLoopback implements Wires {
  readonly kind = "proxies";
  readonly hosts: readonly Host[];
  readonly #servers: readonly Server[];
  readonly #passing = new Set<Passing>();
  readonly #cuts = new Set<string>();
  readonly #slow = new Map<number, number>();
  readonly #pace: NodeJS.Timeout;

  private constructor(hosts: readonly Host[], servers: readonly Server[]) {
    this.hosts = hosts;
    this.#servers = servers;
    for (const [at, server] of servers.entries()) {
      server.on("connection", (socket: Socket) => this.#accept(at, socket));
    }
    this.#pace = setInterval(() => this.#pump(), PACE_MS);
  }

  static async open(count: number): Promise<ProxiedLoopback> {
    const hosts: Host[] = [];
    const servers: Server[] = [];
    for (let at = 0; at < count; at++) {
      const server = createServer();
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      servers.push(server);
      const { port } = server.address() as AddressInfo;
      const rpcPort = await freePort();
      const gossipPort = await freePort();
      const rpcAddress = `127.0.0.1:${port}`;
      hosts.push({ address: "127.0.0.1", under: [], rpcPort, gossipPort, rpcAddress });
    }
    return new ProxiedLoopback(hosts, servers);
  }

  cut(from: number, to: number): void {
    this.#cuts.add(`${from}>${to}`);
  }

  slow(at: number, { bytesPerSecond }: Slowness): void {
    this.#slow.set(at, bytesPerSecond);
  }

  heal(): void {
    this.#cuts.clear();
    this.#slow.clear();
    this.#pump();
  }

  async close(): Promise<void> {
    clearInterval(this.#pace);
    for (const { sides } of this.#passing) for (const side of sides) side.destroy();
    for (const server of this.#servers) {
      server.close();
      await once(server, "close");
    }
  }

  #accept(to: number, near: Socket): void {
    const far = connect(this.hosts[to]?.rpcPort ?? 0, "127.0.0.1");
    const passing: Passing = { from: undefined, to, sides: [near, far], held: [[], []] };
    this.#passing.add(passing);
    let isFirst = true;
    near.on("data", (bytes) => {
      if (isFirst) passing.from = dialler(bytes);
      isFirst = false;
      this.#pass(passing, 0, bytes);
    });
    far.on("data", (bytes) => this.#pass(passing, 1, bytes));
    const end = (): void => {
      this.#passing.delete(passing);
      near.destroy();
      far.destroy();
    };
    for (const side of passing.sides) side.on("close", end).on("error", end);
  }

  #pass(passing: Passing, side: 0 | 1, bytes: Buffer): void {
    const [sender] = this.#ends(passing, side);
    const isSlow = sender !== undefined && this.#slow.has(sender);
    const held = passing.held[side];
    if (held.length > 0 || isSlow || this.#isCut(passing, side)) held.push(bytes);
    else passing.sides[side === 0 ? 1 : 0].write(bytes);
  }

  /** Who sends on a side, and who receives; undefined is a client. */
  #ends({ from, to }: Passing, side: 0 | 1): readonly [number | undefined, number | undefined] {
    return side === 0 ? [from, to] : [to, from];
  }

  #isCut(passing: Passing, side: 0 | 1): boolean {
    const [sender, receiver] = this.#ends(passing, side);
    return this.#cuts.has(`${sender ?? "client"}>${receiver ?? "client"}`);
  }

  /** Passes on what waits and may go. */
  #pump(): void {
    for (const passing of this.#passing) {
      for (const side of [0, 1] as const) {
        if (this.#isCut(passing, side)) continue;
        const [sender] = this.#ends(passing, side);
        const rate = sender === undefined ? undefined : this.#slow.get(sender);
        let budget = rate === undefined ? Infinity : (rate * PACE_MS) / 1_000;
        const held = passing.held[side];
        while (budget > 0) {
          const bytes = held.shift();
          if (bytes === undefined) break;
          passing.sides[side === 0 ? 1 : 0].write(bytes.subarray(0, budget));
          if (bytes.length > budget) held.unshift(bytes.subarray(budget));
          budget -= bytes.length;
        }
      }
    }
  }
}

/** The place of the server whose name, `server-<place>`, the first frame tells; undefined: none. */
function dialler(bytes: Buffer): number | undefined {
  if (bytes.length < NAME_AT + 2 || !bytes.subarray(0, 4).equals(REPLICA_MAGIC)) return undefined;
  const length = bytes.readUInt16LE(NAME_AT);
  const name = bytes.toString("utf8", NAME_AT + 2, NAME_AT + 2 + length);
  const [, place] = /^server-(\d+)$/.exec(name) ?? [];
  return place === undefined ? undefined : Number(place);
}
