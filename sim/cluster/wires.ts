import { below, chance, type Random } from "../../src/base/index.ts";
import type { NetworkOptions, World } from "../world/index.ts";
import { type Line, type Segment, SimulatedSocket } from "./socket.ts";

/** A machine with a network card. */
export interface Station {
  readonly number: number;
  /** Its kernel answers, whether or not a process runs. */
  readonly isPowered: boolean;
  /** The process that runs now. */
  readonly life: number;
  run(life: number, action: () => void): void;
  /** The process takes connections. */
  readonly accept: ((socket: SimulatedSocket) => void) | undefined;
}

/** What is lost is sent again after so long; the second time after twice as long. */
const RETRY_MS = 200;
const RETRY_MS_MAX = 3_000;
const SYN_RETRY_MS = 1_000;

interface Route {
  blocked: boolean;
  cloggedUntilMs: number;
}

/**
 * Connections between machines, as TCP has them: in order or not at all. Loss makes them slow, a block
 * makes them silent until it is lifted or somebody loses patience, and a machine whose power was cut
 * says nothing before it is back, and then that it knows of no connection.
 */
export class Wires {
  options: NetworkOptions;
  readonly #world: World;
  readonly #random: Random;
  readonly #stations: (number: number) => Station;
  readonly #routes: Map<number, Route> = new Map();
  readonly #sockets: Map<number, Set<SimulatedSocket>> = new Map();

  constructor(world: World, options: NetworkOptions, stations: (number: number) => Station) {
    this.#world = world;
    this.#random = world.random("network");
    this.options = options;
    this.#stations = stations;
  }

  /** A connection from a process to whatever listens on a machine; rejects when nothing does. */
  dial(from: Station, to: Station, signal: AbortSignal): Promise<SimulatedSocket> {
    const { life } = from;
    return new Promise((resolve, reject) => {
      const attempt = (): void => {
        if (signal.aborted) return;
        if (!this.#reaches(from.number, to.number) || !this.#reaches(to.number, from.number)) {
          this.#world.after(SYN_RETRY_MS, attempt);
          return;
        }
        const { accept } = to;
        const ends = accept === undefined ? undefined : this.#connect(from, to);
        if (ends !== undefined) to.run(to.life, () => accept?.(ends.to));
        this.#world.after(this.#delayMs(), () => {
          from.run(life, () => {
            if (ends === undefined) reject(new Error("ECONNREFUSED"));
            else resolve(ends.from);
          });
        });
      };
      this.#world.after(2 * this.#delayMs(), attempt);
    });
  }

  /** A process is gone, and with it its connections. */
  abandon(number: number, how: "kill" | "power"): void {
    const sockets = this.#sockets.get(number) ?? [];
    this.#sockets.delete(number);
    for (const socket of sockets) socket.abandon(how);
  }

  block(from: number, to: number): void {
    this.#route(from, to).blocked = true;
  }

  isBlocked(from: number, to: number): boolean {
    return this.#route(from, to).blocked;
  }

  healAll(): void {
    for (const route of this.#routes.values()) {
      route.blocked = false;
      route.cloggedUntilMs = 0;
    }
  }

  clog(from: number, to: number, ms: number): void {
    this.#route(from, to).cloggedUntilMs = this.#world.nowMs + ms;
  }

  /** All connections between two machines break. */
  reset(a: number, b: number): void {
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      for (const socket of this.#sockets.get(from) ?? []) if (socket.to === to) socket.break();
    }
  }

  #connect(
    a: Station,
    b: Station,
  ): { readonly from: SimulatedSocket; readonly to: SimulatedSocket } {
    const lines = [this.#line(a.number, b.number), this.#line(b.number, a.number)] as const;
    const from = this.#socket(a, b.number, lines[0]);
    const to = this.#socket(b, a.number, lines[1]);
    lines[0].ends(from, to);
    lines[1].ends(to, from);
    return { from, to };
  }

  #socket(station: Station, to: number, line: Line): SimulatedSocket {
    const { life, number } = station;
    const owner = {
      run: (action: () => void) => station.run(life, action),
      get isGone() {
        return station.life !== life;
      },
    };
    const socket = new SimulatedSocket(this.#world, owner, line, to);
    const all = this.#sockets.get(number) ?? new Set();
    this.#sockets.set(number, all.add(socket));
    socket.once("close", () => all.delete(socket));
    return socket;
  }

  #line(from: number, to: number): OneWay {
    return new OneWay({
      world: this.#world,
      arrivesInMs: () => {
        const { cloggedUntilMs } = this.#route(from, to);
        return Math.max(0, cloggedUntilMs - this.#world.nowMs) + this.#delayMs();
      },
      reaches: () => this.#reaches(from, to),
    });
  }

  #reaches(from: number, to: number): boolean {
    return !this.#route(from, to).blocked && this.#stations(to).isPowered;
  }

  #delayMs(): number {
    const { delayMsMin, delayMsMean, lossChance } = this.options;
    const late = -Math.log(1 - below(this.#random, 1 << 20) / (1 << 20)) * delayMsMean;
    const retries = chance(this.#random, lossChance) ? RETRY_MS : 0;
    return delayMsMin + late + retries;
  }

  #route(from: number, to: number): Route {
    const key = from * 4_096 + to;
    let route = this.#routes.get(key);
    if (route === undefined) this.#routes.set(key, (route = { blocked: false, cloggedUntilMs: 0 }));
    return route;
  }
}

interface WayParts {
  readonly world: World;
  arrivesInMs(): number;
  reaches(): boolean;
}

/** One direction of a connection. */
class OneWay implements Line {
  waitingBytes = 0;
  readonly #parts: WayParts;
  readonly #queue: Segment[] = [];
  #from: SimulatedSocket | undefined;
  #to: SimulatedSocket | undefined;
  /** How many of them have had the time to arrive. */
  #due = 0;
  #lastArrivalMs = 0;
  #retryMs = 0;

  constructor(parts: WayParts) {
    this.#parts = parts;
  }

  ends(from: SimulatedSocket, to: SimulatedSocket): void {
    this.#from = from;
    this.#to = to;
  }

  send(segment: Segment): void {
    const { world } = this.#parts;
    const at = Math.max(world.nowMs + this.#parts.arrivesInMs(), this.#lastArrivalMs);
    this.#lastArrivalMs = at;
    this.#queue.push(segment);
    this.waitingBytes += segment.length;
    world.after(at - world.nowMs, () => {
      this.#due += 1;
      if (this.#retryMs === 0) this.#drain();
    });
  }

  #drain(): void {
    while (this.#due > 0) {
      if (this.#from?.destroyed === true && this.#to?.destroyed === true) return;
      if (!this.#parts.reaches()) {
        this.#retryMs = Math.min(RETRY_MS_MAX, Math.max(RETRY_MS, 2 * this.#retryMs));
        this.#parts.world.after(this.#retryMs, () => this.#drain());
        return;
      }
      this.#retryMs = 0;
      this.#due -= 1;
      const segment = this.#queue.shift() as Segment;
      this.waitingBytes -= segment.length;
      this.#to?.arrive(segment);
      this.#from?.drained();
    }
    this.#retryMs = 0;
  }
}
