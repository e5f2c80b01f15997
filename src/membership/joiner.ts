import { below, limits, ProglogError } from "../base/index.ts";
import type { Clock, Observer, Random } from "../base/index.ts";
import type { Address } from "../gossip/index.ts";
import { Deferred } from "./deferred.ts";
import type { Addresses } from "./ports.ts";

export interface JoinerParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly observer: Observer;
  readonly addresses: Addresses;
  /** A name may stand for all members: nobody joins through himself. */
  readonly own: Address;
  /** One exchange with whoever is at an address; rejects with the reason. */
  readonly exchange: (to: Address, ignoreOld: boolean) => Promise<void>;
}

/** Finds seeds by their names and joins through them: once, or until it has worked. */
export class Joiner {
  readonly #parts: JoinerParts;

  constructor(parts: JoinerParts) {
    this.#parts = parts;
  }

  /**
   * Tries each address once; answers how many were joined. Throws `UNAVAILABLE` when none was, and
   * `INVALID_ARGUMENT` for what is no address.
   */
  async once(addresses: readonly string[], ignoreOld: boolean): Promise<number> {
    const attempt = new Attempt(addresses.map(parseSeed));
    await this.#run(attempt, ignoreOld);
    return resultOf(attempt);
  }

  /**
   * Tries, with growing pauses and each time with fresh addresses, until one was joined; some of
   * `remembered` are tried beside them. Answers how many; 0 when the signal ended it.
   */
  async untilJoined(
    addresses: readonly string[],
    signal: AbortSignal,
    remembered: readonly string[] = [],
  ): Promise<number> {
    const { observer, random } = this.#parts;
    addresses.forEach(parseSeed);
    for (let attempt = 1; !signal.aborted; attempt++) {
      const some = draw(remembered, limits.rememberedTriedMax, random);
      const seeds = [...addresses, ...some];
      const joined = await this.#first(seeds).catch((error: unknown) => {
        const level = attempt === 1 ? "warn" : "debug";
        observer.log(level, "gossip.join-failed", { attempt, error: sentenceOf(error) });
      });
      if (joined === undefined) await this.pause(this.#backOff(attempt), signal);
      else {
        observer.log("info", "gossip.joined", { seeds: seeds.join(","), joined, attempt });
        return joined;
      }
    }
    return 0;
  }

  /** Joins through those of these addresses that are not among the known ones. Failures are no news. */
  async meet(addresses: readonly string[], known: readonly Address[]): Promise<void> {
    const { addresses: form, observer } = this.#parts;
    const keyOf = (ip: Uint8Array, port: number): string => `${form.format(ip)} ${port}`;
    const others = new Set(known.map(({ ip, port }) => keyOf(ip, port)));
    const attempt = new Attempt(addresses.map(parseSeed));
    const isKnown = (ip: Uint8Array, port: number): boolean => others.has(keyOf(ip, port));
    await this.#run(attempt, false, isKnown);
    const { joined } = attempt;
    if (joined > 0) observer.log("info", "gossip.met", { seeds: addresses.join(","), joined });
  }

  /** Resolves as soon as one was joined: a seed that is gone must not keep us from one that is there. */
  async #first(addresses: readonly string[]): Promise<number> {
    const attempt = new Attempt(addresses.map(parseSeed));
    await Promise.race([this.#run(attempt, false), attempt.first]);
    attempt.seeds.length = 0;
    return resultOf(attempt);
  }

  /** All seeds, some at a time. */
  async #run(
    attempt: Attempt,
    ignoreOld: boolean,
    isLeftOut: (ip: Uint8Array, port: number) => boolean = () => false,
  ): Promise<void> {
    const work = async (): Promise<void> => {
      for (let seed = attempt.seeds.shift(); seed !== undefined; seed = attempt.seeds.shift()) {
        await this.#try(attempt, seed, ignoreOld, isLeftOut);
      }
    };
    await Promise.all(Array.from({ length: limits.joinsAtOnceMax }, work));
  }

  async #try(
    attempt: Attempt,
    { host, port }: Seed,
    ignoreOld: boolean,
    isLeftOut: (ip: Uint8Array, port: number) => boolean,
  ): Promise<void> {
    const found = await this.#parts.addresses.resolve(host).catch((error: unknown) => {
      attempt.failures.push(`${host}: ${sentenceOf(error)}`);
      return [];
    });
    if (found.length === 0) attempt.failures.push(`${host}: it has no address`);
    const others = found.filter((ip) => !this.#isOwn(ip, port));
    if (others.length < found.length) attempt.failures.push(`${host}:${port}: this is ourselves`);
    const tries = others
      .filter((ip) => !isLeftOut(ip, port))
      .map((ip) =>
        this.#parts.exchange({ ip, port }, ignoreOld).then(
          () => attempt.succeed(),
          (error: unknown) => attempt.failures.push(`${host}:${port}: ${sentenceOf(error)}`),
        ),
      );
    await Promise.all(tries);
  }

  #isOwn(ip: Uint8Array, port: number): boolean {
    const { own, addresses } = this.#parts;
    return port === own.port && addresses.format(ip) === addresses.format(own.ip);
  }

  /** Doubles from the first to the last; a part of it is chance, so that a cluster does not knock in step. */
  #backOff(attempt: number): number {
    const doubled = limits.joinRetryMsMin * 2 ** Math.min(attempt - 1, 10);
    const longest = Math.min(limits.joinRetryMsMax, doubled);
    return longest * (0.5 + below(this.#parts.random, 50) / 100);
  }

  /** Resolves after so long, or when the signal is aborted. */
  pause(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        cancel();
        signal.removeEventListener("abort", done);
        resolve();
      };
      const cancel = this.#parts.clock.after(ms, done);
      signal.addEventListener("abort", done);
      if (signal.aborted) done();
    });
  }
}

interface Seed {
  readonly host: string;
  readonly port: number;
}

/** Seeds that wait to be tried, and what came of the others. */
class Attempt {
  readonly seeds: Seed[];
  readonly seedsCount: number;
  readonly failures: string[] = [];
  joined = 0;
  readonly #first = new Deferred<void>();

  constructor(seeds: readonly Seed[]) {
    this.seeds = [...seeds];
    this.seedsCount = seeds.length;
  }

  get first(): Promise<void> {
    return this.#first.promise;
  }

  succeed(): void {
    this.joined += 1;
    this.#first.resolve();
  }
}

function resultOf({ joined, seedsCount, failures }: Attempt): number {
  if (joined === 0 && seedsCount > 0) {
    throw new ProglogError("UNAVAILABLE", failures.join("; "));
  }
  return joined;
}

/** Some of them, in any order. */
function draw(texts: readonly string[], count: number, random: Random): string[] {
  const left = [...texts];
  const drawn: string[] = [];
  while (drawn.length < count && left.length > 0) {
    drawn.push(...left.splice(below(random, left.length), 1));
  }
  return drawn;
}

/** Whether it is an address to join: `host:port`, an IPv6 host in brackets. */
export function isSeed(text: string): boolean {
  try {
    parseSeed(text);
    return true;
  } catch {
    return false;
  }
}

/** `host:port`, an IPv6 host in brackets; Serf's port when there is none. */
function parseSeed(text: string): Seed {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^\s:[\]/]+))(?::(\d{1,5}))?$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3] ?? SERF_PORT);
  if (host === undefined || port > 65_535 || port === 0) {
    throw new ProglogError("INVALID_ARGUMENT", `${text} is not an address to join: host:port`);
  }
  return { host, port };
}

const SERF_PORT = 7946;

function sentenceOf(error: unknown): string {
  return ProglogError.from(error).message;
}
