import type { ServerListings } from "../api/index.ts";
import { limits } from "../base/index.ts";
import type { ServerConnection } from "./server-connection.ts";
import { queryServers } from "./server-query.ts";

/** What a discovery needs of whoever has the connections. */
export interface DiscoveryHost {
  /** Servers that can be asked now, in no order. */
  readonly ready: () => readonly ServerConnection[];
  /** The leader that is known can be used. */
  readonly hasLeader: () => boolean;
  /** How often is asked while nothing is wrong. */
  readonly intervalMs: () => number;
  /** Somebody has answered. */
  readonly answered: (listings: ServerListings) => void;
  /** Somebody was asked, with or without success. */
  readonly asked: () => void;
}

/**
 * Keeps up what is known: asks one server after the other until one answers, again after an interval,
 * soon after a doubt, and often while there is no leader that can be reached. One question at a time.
 */
export class Discovery {
  readonly #host: DiscoveryHost;
  /** Servers in the order in which they were asked last, so that the next question goes to another. */
  readonly #askedLast: string[] = [];
  #timer: NodeJS.Timeout | undefined;
  #dueMs = 0;
  #isAsking = false;
  #isDoubted = false;
  #isClosed = false;
  /** Somebody was asked at least once, or there is nobody who would know. */
  #isInformed = false;
  #fruitless = 0;

  constructor(host: DiscoveryHost) {
    this.#host = host;
  }

  get isInformed(): boolean {
    return this.#isInformed;
  }

  /** A connection is there: if nobody was asked yet, it is now. */
  connected(): void {
    if (!this.#isInformed || !this.#host.hasLeader()) void this.#ask();
  }

  /** What is known may be wrong: asks at once, unless that was done just now. */
  doubt(): void {
    if (this.#isAsking) this.#isDoubted = true;
    else this.#schedule(limits.serversRetryMsMin);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  async #ask(): Promise<void> {
    if (this.#isAsking || this.#isClosed) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const candidates = this.#inTurn();
    // Whoever connects next is asked.
    if (candidates.length === 0) return;
    this.#isAsking = true;
    this.#isDoubted = false;
    await this.#askOneOf(candidates);
    this.#isAsking = false;
    if (this.#isDisposed()) return;
    this.#isInformed = true;
    this.#host.asked();
    this.#schedule(this.#pauseMs());
  }

  #isDisposed(): boolean {
    return this.#isClosed;
  }

  async #askOneOf(candidates: readonly ServerConnection[]): Promise<void> {
    for (const server of candidates) {
      if (this.#isClosed) return;
      this.#remember(server.address);
      try {
        this.#host.answered(await queryServers(server));
        return;
      } catch {
        // It may be gone, may not let us ask, or may be too old to know: the next one is asked.
      }
    }
  }

  #pauseMs(): number {
    const isSettled = this.#host.hasLeader() && !this.#isDoubted;
    this.#fruitless = isSettled ? 0 : this.#fruitless + 1;
    if (isSettled) return this.#host.intervalMs();
    const { serversRetryMsMin, serversRetryMsMax } = limits;
    return Math.min(serversRetryMsMax, serversRetryMsMin * 2 ** Math.min(this.#fruitless - 1, 10));
  }

  /** With jitter, so that clients which lost the same server do not come together. An earlier time wins. */
  #schedule(ms: number): void {
    if (this.#isClosed) return;
    const atMs = performance.now() + ms * (1 - Math.random() / 2);
    if (this.#timer !== undefined && this.#dueMs <= atMs) return;
    clearTimeout(this.#timer);
    this.#dueMs = atMs;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#ask();
    }, atMs - performance.now());
    this.#timer.unref();
  }

  #inTurn(): ServerConnection[] {
    const rank = ({ address }: ServerConnection): number => this.#askedLast.indexOf(address);
    return this.#host.ready().toSorted((a, b) => rank(a) - rank(b));
  }

  #remember(address: string): void {
    const at = this.#askedLast.indexOf(address);
    if (at >= 0) this.#askedLast.splice(at, 1);
    this.#askedLast.push(address);
    if (this.#askedLast.length > 2 * limits.clientServersMax) this.#askedLast.shift();
  }
}
