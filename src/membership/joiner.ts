import { below, limits, ProglogError } from "../base/index.ts";
import type { Clock, Observer, Random } from "../base/index.ts";
import type { Address } from "../gossip/index.ts";
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
    const seeds = addresses.map(parseSeed);
    const failures: string[] = [];
    let joined = 0;
    for (const { host, port } of seeds) {
      const found = await this.#parts.addresses.resolve(host).catch((error: unknown) => {
        failures.push(`${host}: ${sentenceOf(error)}`);
        return [];
      });
      const others = found.filter((ip) => !this.#isOwn(ip, port));
      if (others.length < found.length) failures.push(`${host}:${port}: this is ourselves`);
      const tries = others.map((ip) =>
        this.#parts.exchange({ ip, port }, ignoreOld).then(
          () => (joined += 1),
          (error: unknown) => failures.push(`${host}:${port}: ${sentenceOf(error)}`),
        ),
      );
      await Promise.all(tries);
    }
    if (joined === 0 && seeds.length > 0)
      throw new ProglogError("UNAVAILABLE", failures.join("; "));
    return joined;
  }

  /**
   * Tries, with growing pauses and each time with fresh addresses, until one was joined. Answers how
   * many; 0 when the signal ended it.
   */
  async untilJoined(addresses: readonly string[], signal: AbortSignal): Promise<number> {
    const { observer } = this.#parts;
    addresses.forEach(parseSeed);
    for (let attempt = 1; !signal.aborted; attempt++) {
      const joined = await this.once(addresses, false).catch((error: unknown) => {
        const level = attempt === 1 ? "warn" : "debug";
        observer.log(level, "gossip.join-failed", { attempt, error: sentenceOf(error) });
      });
      if (joined === undefined) await this.pause(this.#backOff(attempt), signal);
      else {
        observer.log("info", "gossip.joined", { seeds: addresses.join(","), joined, attempt });
        return joined;
      }
    }
    return 0;
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
