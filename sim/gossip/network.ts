import { below, chance, type Random } from "../../src/base/index.ts";

export interface NetworkOptions {
  /** Share of packets that are lost, each way. */
  readonly loss: number;
  /** Ticks that a packet is on its way: at least, and at most. */
  readonly delayTicksMin: number;
  readonly delayTicksMax: number;
}

/** First pause before TCP sends again: of a SYN, and of anything else. */
const SYN_RETRY_MS = 1_000;
const DATA_RETRY_MS = 200;

/** When and whether things arrive. TCP does, unless its peers are apart, but lost segments make it slow. */
export class Network {
  options: NetworkOptions;
  readonly #random: Random;
  readonly #tickMs: number;
  readonly #due = new Map<number, (() => void)[]>();
  /** Members of different groups do not reach each other. */
  #groups = new Map<string, number>();
  now = 0;

  constructor(options: NetworkOptions, tickMs: number, random: Random) {
    this.options = options;
    this.#tickMs = tickMs;
    this.#random = random;
  }

  /** Who is not named stays in group 0. */
  partition(...groups: readonly (readonly string[])[]): void {
    this.#groups = new Map(
      groups.flatMap((names, index) => names.map((name) => [name, index] as const)),
    );
  }

  reaches(a: string, b: string): boolean {
    return (this.#groups.get(a) ?? 0) === (this.#groups.get(b) ?? 0);
  }

  packet(from: string, to: string, arrive: () => void): void {
    if (chance(this.#random, this.options.loss)) return;
    this.after(this.#delay(), () => {
      if (this.reaches(from, to)) arrive();
    });
  }

  /** Ticks for a connection and one message over it. */
  streamTicks(): number {
    const { loss } = this.options;
    const handshake = this.#retries(1 - (1 - loss) ** 2, SYN_RETRY_MS);
    return 3 * this.#delay() + handshake + this.#retries(loss, DATA_RETRY_MS);
  }

  replyTicks(): number {
    return this.#delay() + this.#retries(this.options.loss, DATA_RETRY_MS);
  }

  after(ticks: number, run: () => void): void {
    const at = this.now + Math.max(1, ticks);
    const due = this.#due.get(at);
    if (due === undefined) this.#due.set(at, [run]);
    else due.push(run);
  }

  advance(): void {
    this.now += 1;
    const due = this.#due.get(this.now) ?? [];
    this.#due.delete(this.now);
    for (const run of due) run();
  }

  #delay(): number {
    const { delayTicksMin, delayTicksMax } = this.options;
    return delayTicksMin + below(this.#random, delayTicksMax - delayTicksMin + 1);
  }

  #retries(loss: number, firstMs: number): number {
    let ms = 0;
    for (let pause = firstMs; ms < 120_000 && chance(this.#random, loss); pause *= 2) ms += pause;
    return Math.ceil(ms / this.#tickMs);
  }
}
