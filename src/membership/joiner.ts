import { chance, limits, ProglogError } from "../base/index.ts";
import type { Clock, Observer, Random } from "../base/index.ts";
import type { Address } from "../gossip/index.ts";
import type { Addresses } from "./ports.ts";

export interface JoinerParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly observer: Observer;
  readonly addresses: Addresses;
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
      const tries = found.map((ip) =>
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
        observer.log(level, "join_failed", { attempt, error: sentenceOf(error) });
      });
      if (joined === undefined) await this.#pause(attempt, signal);
      else {
        observer.log("info", "joined", { seeds: addresses.join(","), joined, attempt });
        return joined;
      }
    }
    return 0;
  }

  /** Doubles from the first to the last; half of it is chance, so that a cluster does not knock in step. */
  #pause(attempt: number, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#parts;
    const doubled = limits.joinRetryMsMin * 2 ** Math.min(attempt - 1, 10);
    const longest = Math.min(limits.joinRetryMsMax, doubled);
    const ms = longest * (chance(random, 0.5) ? 1 : 0.75);
    return new Promise((resolve) => {
      const cancel = clock.after(ms, done);
      function done(): void {
        cancel();
        signal.removeEventListener("abort", done);
        resolve();
      }
      signal.addEventListener("abort", done);
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
