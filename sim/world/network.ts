import { below, chance, type Random } from "../../src/base/index.ts";
import type { World } from "./world.ts";

/** How a network is, drawn once per run. Times in milliseconds. */
export interface NetworkOptions {
  /** The least a message takes. */
  readonly delayMsMin: number;
  /** What it takes beyond that, on average: exponential, so that some are very late. */
  readonly delayMsMean: number;
  readonly lossChance: number;
  readonly duplicateChance: number;
  /** Messages keep their order on each link, as on one connection. */
  readonly ordered: boolean;
}

interface Link {
  blocked: boolean;
  /** Nothing arrives before. */
  cloggedUntilMs: number;
  /** When the last message in order arrives. */
  lastArrivalMs: number;
  /** Grows with each reset: what was sent before is lost. */
  connection: number;
}

/** Messages between machines: late, lost, twice, out of order, one way only, or stuck. */
export class Network<M> {
  sent = 0;
  delivered = 0;
  readonly #world: World;
  readonly #random: Random;
  readonly #links: Map<number, Link> = new Map();
  readonly #deliver: (from: number, to: number, message: M) => void;
  #options: NetworkOptions;

  constructor(
    world: World,
    options: NetworkOptions,
    deliver: (from: number, to: number, message: M) => void,
  ) {
    this.#world = world;
    this.#random = world.random("network");
    this.#options = options;
    this.#deliver = deliver;
  }

  set options(options: NetworkOptions) {
    this.#options = options;
  }

  /** `once`: it may be lost, and is never there twice. */
  send(from: number, to: number, message: M, once = false): void {
    this.sent += 1;
    const link = this.#link(from, to);
    const { lossChance, duplicateChance } = this.#options;
    if (link.blocked || chance(this.#random, lossChance)) return;
    this.#carry(link, from, to, message);
    if (!once && chance(this.#random, duplicateChance)) this.#carry(link, from, to, message);
  }

  /** One way only. */
  block(from: number, to: number): void {
    this.#link(from, to).blocked = true;
  }

  healAll(): void {
    for (const link of this.#links.values()) {
      link.blocked = false;
      link.cloggedUntilMs = 0;
    }
  }

  /** Everything that is sent from now on waits. */
  clog(from: number, to: number, ms: number): void {
    this.#link(from, to).cloggedUntilMs = this.#world.nowMs + ms;
  }

  /** What is under way between the two is lost. */
  reset(a: number, b: number): void {
    this.#link(a, b).connection += 1;
    this.#link(b, a).connection += 1;
  }

  isBlocked(from: number, to: number): boolean {
    return this.#link(from, to).blocked;
  }

  #carry(link: Link, from: number, to: number, message: M): void {
    const { delayMsMin, delayMsMean, ordered } = this.#options;
    const { nowMs } = this.#world;
    const late = -Math.log(1 - below(this.#random, 1 << 20) / (1 << 20)) * delayMsMean;
    let at = Math.max(nowMs, link.cloggedUntilMs) + delayMsMin + late;
    if (ordered) at = Math.max(at, link.lastArrivalMs);
    link.lastArrivalMs = at;
    const { connection } = link;
    this.#world.after(at - nowMs, () => {
      if (link.connection !== connection || link.blocked) return;
      this.delivered += 1;
      this.#deliver(from, to, message);
    });
  }

  #link(from: number, to: number): Link {
    const key = from * 4_096 + to;
    let link = this.#links.get(key);
    if (link === undefined) {
      link = { blocked: false, cloggedUntilMs: 0, lastArrivalMs: 0, connection: 0 };
      this.#links.set(key, link);
    }
    return link;
  }
}
